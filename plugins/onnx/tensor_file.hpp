// ONNX's tensor files (.pb): one TensorProto, SequenceProto or OptionalProto each. Part tensors/1.
#pragma once
#include <lathe/plugin.hpp>
#include <string>
#include <string_view>

namespace lathe::onnx_plugin {

// How sure it is that the file is one, 0 to 100; 0 for every name that does not end in .pb.
int recognise_tensor_file(const sdk::FileHead& head);

// Hands the file's value to `sink`. The file does not say which of the three messages it holds: that of `kind` is taken where the file's
// fields can be one, else a tensor or sequence (which may stand for an optional of it). Throws sdk::Failure for everything else: maps,
// sparse tensors, sequences of sequences, damage.
void read_tensor_file(const std::string& path, int32_t kind, sdk::TensorSink& sink);

// The bytes of such a file. Throws sdk::Failure when they would pass protobuf's 2 GiB.
std::string write_tensor_file(std::string_view name, const sdk::BufferView& value);

}  // namespace lathe::onnx_plugin
