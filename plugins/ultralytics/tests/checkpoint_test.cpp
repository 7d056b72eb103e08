// What checkpoints may hold and what tensors may claim, on a small one that is changed part by part.
#include "checkpoint.hpp"

#include <doctest/doctest.h>

#include <lathe/plugin.hpp>

#include "reading.hpp"
#include "small_checkpoint.hpp"

using namespace lathe::ultralytics;
using namespace lathe::ultralytics::test;

namespace {

std::string told(const SmallCheckpoint& small) {
  const Reading reading = read_checkpoint(small.file());
  return reading.built ? "built" : reading.acceptable ? reading.told : "unacceptable: " + reading.told;
}
std::string told_of_weight(const Program& weight) {
  SmallCheckpoint small;
  small.weight = weight;
  return told(small);
}
std::string told_of_root(const Program& root) {
  SmallCheckpoint small;
  const Reading reading = read_checkpoint(zip({{"a/data.pkl", "\x80\x02" + root + "."}, {"a/data/0", std::string(216, '\0')}}));
  return reading.built ? "built" : reading.told;
}
bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

Program utils(const std::string& function, const std::vector<Program>& arguments) {
  return global("torch._utils", function) + tuple(arguments) + "R";
}
const Program hooks = global("collections", "OrderedDict") + ")R";
const Program halves = storage("HalfStorage", "0", 108);
const Program plain = tensor(halves, 0, {4, 3, 3, 3}, {27, 9, 3, 1});
const Program shape = integers({4, 3, 3, 3}), strides = integers({27, 9, 3, 1});

}  // namespace

TEST_CASE("the forms in which PyTorch writes tensors") {
  CHECK(told_of_weight(plain) == "built");
  CHECK(told_of_weight(utils("_rebuild_tensor", {halves, integer(0), shape, strides})) == "built");
  CHECK(told_of_weight(utils("_rebuild_tensor_v3", {halves, integer(0), shape, strides, no, hooks, global("torch", "float16")})) == "built");
  CHECK(told_of_weight(utils("_rebuild_parameter_with_state", {plain, yes, hooks, dictionary({{"tag", integer(1)}})})) == "built");
  CHECK(told_of_weight(global("torch._tensor", "_rebuild_from_type_v2") +
                       tuple({global("torch._utils", "_rebuild_tensor_v2"), global("my.tensors", "Tensor"),
                              tuple({halves, integer(0), shape, strides, no, hooks}), dictionary({})}) +
                       "R") == "built");
  CHECK(told_of_weight(utils("_rebuild_device_tensor_from_cpu_tensor", {plain, global("torch", "float16"), text("xla:0"), no})) == "built");
  // torch.Size as a call, and an untyped storage with the type beside it
  const Program size = global("torch", "Size") + tuple({integers({4, 3, 3, 3})}) + "R";
  const Program untyped = tuple({text("storage"), global("torch.storage", "UntypedStorage"), text("0"), text("cpu"), integer(216)}) + "Q";
  CHECK(told_of_weight(utils("_rebuild_tensor_v3", {untyped, integer(0), size, strides, no, hooks, global("torch", "bfloat16")})) == "built");
  CHECK(holds(told_of_weight(utils("_rebuild_tensor_v2", {untyped, integer(0), size, strides, no, hooks})), "nothing says what its elements are"));
}

TEST_CASE("arrays of numpy that became tensors") {
  const auto array = [](const std::string& type, const Program& bytes, const Program& order) {
    const Program dtype = global("numpy", "dtype") + tuple({text(type), no, yes}) + "R" +
                          tuple({integer(3), text(order), none, none, none, integer(-1), integer(-1), integer(0)}) + "b";
    const Program made = global("numpy.core.multiarray", "_reconstruct") +
                         tuple({global("numpy", "ndarray"), integers({0}),
                                "C\x01"
                                "b"}) +
                         "R" + tuple({integer(1), integers({4, 3, 3, 3}), dtype, no, bytes}) + "b";
    return utils("_rebuild_device_tensor_from_numpy", {made, global("torch", "float32"), text("xla:0"), no});
  };
  const std::string zeros(432, '\0');
  CHECK(told_of_weight(array("f4", "B" + number(zeros.size(), 4) + zeros, "<")) == "built");
  // Protocol 2 knows no bytes: a text is encoded.
  const Program encoded = global("_codecs", "encode") + tuple({text(zeros), text("latin1")}) + "R";
  CHECK(told_of_weight(array("f4", encoded, "<")) == "built");
  CHECK(holds(told_of_weight(array("f4", encoded, ">")), "big-endian"));
  CHECK(holds(told_of_weight(array("f8", encoded, "<")), "outside of its storage"));
  CHECK(holds(told_of_weight(array("O8", encoded, "<")), "not known"));
  CHECK(holds(told_of_weight(array("f4", integer(7), "<")), "no bytes"));
}

TEST_CASE("elements of every type") {
  for (const char* type : {"HalfStorage", "BFloat16Storage"})
    CHECK(told_of_weight(tensor(storage(type, "0", 108), 0, {4, 3, 3, 3}, {27, 9, 3, 1})) == "built");
  // Four to a float32, two to a float64: the shape asks for more than there are.
  CHECK(holds(told_of_weight(tensor(storage("FloatStorage", "0", 54), 0, {4, 3, 3, 3}, {27, 9, 3, 1})), "outside of its storage"));
  CHECK(holds(told_of_weight(tensor(storage("DoubleStorage", "0", 27), 0, {4, 3, 3, 3}, {27, 9, 3, 1})), "outside of its storage"));
  CHECK(holds(told_of_weight(tensor(storage("ComplexFloatStorage", "0", 27), 0, {4, 3, 3, 3}, {27, 9, 3, 1})), "complex64, which are not read"));
  CHECK(holds(told_of_weight(tensor(storage("QInt8Storage", "0", 216), 0, {4, 3, 3, 3}, {27, 9, 3, 1})), "qint8, which are not read"));
  CHECK(holds(told_of_weight(utils("_rebuild_tensor_v3", {halves, integer(0), shape, strides, no, hooks, global("torch", "float8_e4m3fn")})),
              "float8_e4m3fn"));
  CHECK(holds(told_of_weight(tensor(storage("SecretStorage", "0", 108), 0, {4, 3, 3, 3}, {27, 9, 3, 1})), "torch.SecretStorage"));
  CHECK(holds(told_of_weight(utils("_rebuild_qtensor", {halves, integer(0), shape, strides})), "not read: _rebuild_qtensor"));
  CHECK(holds(told_of_weight(utils("_rebuild_sparse_tensor", {integer(0), tuple({})})), "not read: _rebuild_sparse_tensor"));
}

TEST_CASE("views: strides, offsets, repeated elements") {
  CHECK(told_of_weight(tensor(halves, 0, {4, 3, 3, 3}, {27, 1, 9, 3})) == "built");   // channels last
  CHECK(told_of_weight(tensor(halves, 107, {4, 3, 3, 3}, {0, 0, 0, 0})) == "built");  // expanded from the last element
  CHECK(told_of_weight(tensor(halves, 0, {4, 3, 3, 3}, {0, 9, 3, 1})) == "built");    // one filter, four times
  CHECK(holds(told_of_weight(tensor(halves, 1, {4, 3, 3, 3}, {27, 9, 3, 1})), "outside of its storage"));
  CHECK(holds(told_of_weight(tensor(halves, -1, {4, 3, 3, 3}, {27, 9, 3, 1})), "offset is no number"));
  CHECK(holds(told_of_weight(tensor(halves, 0, {4, 3, 3, 3}, {27, 9, 3, -1})), "no size"));
  CHECK(holds(told_of_weight(tensor(halves, 0, {4, 3, -3, 3}, {27, 9, 3, 1})), "no size"));
  CHECK(holds(told_of_weight(tensor(halves, 0, {4, 3, 3}, {27, 9, 3, 1})), "differ in length"));
  CHECK(holds(told_of_weight(tensor(halves, 0, {0x7fffffff, 0x7fffffff, 0x7fffffff}, {0, 0, 0})), "too many elements"));
  const Program huge = "\x8a\x08" + number(uint64_t(1) << 62, 8);
  CHECK(holds(told_of_weight(utils("_rebuild_tensor_v2", {halves, integer(0), tuple({integer(4)}), tuple({huge}), no, hooks})),
              "outside of its storage"));
  CHECK(holds(told_of_weight(utils("_rebuild_tensor_v2", {halves, huge, tuple({integer(4)}), integers({1}), no, hooks})), "outside of its storage"));
  CHECK(holds(told_of_weight(tensor(halves, 0, {1 << 20, 4, 1, 1}, {0, 0, 0, 0})), "repeat the elements of their storages"));
}

TEST_CASE("storages that are not what is said of them") {
  CHECK(holds(told_of_weight(tensor(storage("HalfStorage", "7", 108), 0, {4}, {1})), "lacks the data of storage '7'"));
  CHECK(holds(told_of_weight(tensor(storage("HalfStorage", "../../version", 108), 0, {4}, {1})), "lacks the data"));
  CHECK(holds(told_of_weight(tensor(storage("HalfStorage", "0", 109), 0, {4}, {1})), "said to hold 109 elements and has 216 bytes"));
  CHECK(holds(told_of_weight(tensor(storage("HalfStorage", "0", 107), 0, {4}, {1})), "said to hold 107"));
  CHECK(holds(told_of_weight(tensor(storage("HalfStorage", "0", -1), 0, {4}, {1})), "storage is none"));
  CHECK(holds(told_of_weight(tensor(tuple({text("storage")}) + "Q", 0, {4}, {1})), "storage is none"));
  CHECK(holds(told_of_weight(tensor(text("0") + "Q", 0, {4}, {1})), "storage is none"));
  CHECK(holds(told_of_weight(tensor(none, 0, {4}, {1})), "storage is none"));
  CHECK(holds(told_of_weight(none), "lacks its parameter 'weight'"));
}

TEST_CASE("where the network lies") {
  const SmallCheckpoint small;
  SmallCheckpoint other;
  // `ema` wins where it is a network.
  other.linear = none;
  CHECK(told_of_root(dictionary({{"ema", small.network()}, {"model", integer(1)}})) != "built");  // the storages 1 and 2 are not there
  const auto file = [&](const Program& root) {
    std::string pickle = "\x80\x02" + root + ".";
    return zip(
        {{"b/data.pkl", pickle}, {"b/data/0", std::string(216, '\0')}, {"b/data/1", std::string(16, '\0')}, {"b/data/2", std::string(32, '\0')}});
  };
  const auto outcome = [&](const Program& root) {
    const std::string bytes = file(root);
    const Reading reading = read_checkpoint(bytes);
    return reading.built ? "built" : reading.told;
  };
  CHECK(outcome(dictionary({{"model", other.network()}, {"ema", small.network()}})) == "built");
  CHECK(outcome(dictionary({{"model", small.network()}, {"ema", other.network()}})) != "built");
  CHECK(outcome(dictionary({{"model", small.network()}, {"ema", none}})) == "built");
  CHECK(outcome(small.network()) == "built");  // torch.save(model)
  CHECK(outcome(dictionary({{"model", module("torch.nn.parallel.data_parallel", "DataParallel", {}, {{"module", small.network()}})}})) == "built");
  CHECK(outcome(module("ultralytics.models.yolo.model", "YOLO", {}, {{"model", small.network()}})) == "built");
  CHECK(outcome(dictionary({{"model", module("torch._dynamo.eval_frame", "OptimizedModule", {}, {{"_orig_mod", small.network()}})}})) == "built");
  CHECK(holds(outcome(ordered({{"model.0.conv.weight", plain}})), "weights only"));
  CHECK(holds(outcome(dictionary({{"state_dict", ordered({{"w", plain}})}})), "weights only"));
  CHECK(holds(outcome(dictionary({{"model", ordered({{"w", plain}})}})), "weights only"));
  CHECK(holds(outcome(dictionary({{"epoch", integer(3)}})), "holds no network"));
  CHECK(holds(outcome(integer(3)), "holds no network"));
  CHECK(holds(outcome(plain), "holds no network"));
}

TEST_CASE("trees of modules that are none") {
  // A module that holds itself: remembered, then put into its own _modules.
  const Program itself = global("a", "B") + ")\x81q\x05}(" + text("_modules") + "}(" + text("me") + "h\x05uub";
  CHECK(holds(told_of_root(dictionary({{"model", itself}})), "lies within itself"));
  Program deep = module("a", "B", {}, {});
  for (int i = 0; i < 100; ++i) deep = module("a", "B", {}, {{"m", deep}});
  CHECK(holds(told_of_root(dictionary({{"model", deep}})), "deep in each other"));
  // The same module twice on each of 60 levels: 2^60 paths, 61 modules.
  Program wide = global("a", "B") + ")\x81}" + text("_modules") + "}sbq\x05";
  for (int i = 0; i < 60; ++i)
    wide += "0" + global("a", "B") + ")\x81}" + text("_modules") + "}(" + text("l") + "h\x05" + text("r") + "h\x05usbq\x05";
  CHECK(holds(told_of_root(wide), "no list of modules"));
  CHECK(holds(told_of_root(dictionary({{"model", module("a", "B", {}, {{"x\x1b[2J", module("a", "C", {}, {})}})}})), "name of a module is no name"));
  const Program called = global("a", "f") + ")R)\x81}(" + text("_modules") + "}ub";
  CHECK(holds(told_of_root(dictionary({{"model", called}})), "class is no name"));
}

TEST_CASE("other archives in a zip file") {
  const auto outcome = [](const std::vector<TestMember>& members) { return read_checkpoint(zip(members)).told; };
  CHECK(holds(outcome({{"a/data.pkl", "N."}, {"b/data.pkl", "N."}}), "two pickles"));
  CHECK(holds(outcome({{"a/data.pkl", "N."}, {"a/constants.pkl", "N."}}), "TorchScript"));
  CHECK(holds(outcome({{"folder/best.pt", "x"}}), "holds one: 'folder/best.pt'"));
  CHECK(holds(outcome({{"word/document.xml", "x"}, {"b", "y"}}), "no data.pkl, but 'word/document.xml' and 1 more"));
  CHECK(holds(outcome({}), "empty zip file"));
  SmallCheckpoint big;
  big.members = {{"best/byteorder", "big"}};
  CHECK(holds(told(big), "big-endian"));
  SmallCheckpoint rooted;
  rooted.members = {{"best/.data/serialization_id", "123"}, {"best/.format_version", "1"}, {"best/version", "3\n"}};
  CHECK(told(rooted) == "built");
}
