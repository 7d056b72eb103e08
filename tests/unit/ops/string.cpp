// Strings: joining, splitting, normalising, regular expressions, n-grams.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

using Texts = std::vector<std::string>;

Texts texts(const Tensor& tensor) {
  REQUIRE(tensor.type == DataType::string);
  REQUIRE(tensor.strings);
  return *tensor.strings;
}
Texts run(const std::string& text) { return texts(result(text)); }

// Whether the pattern (as it stands in a quoted text: \\ for a backslash) matches each of the strings.
std::string matches(const std::string& pattern, const std::string& strings, int count) {
  const Tensor y =
      result("g () => (y) <string[" + std::to_string(count) + "] x = {" + strings + "}> { y = RegexFullMatch<pattern = \"" + pattern + "\">(x) }");
  REQUIRE(y.type == DataType::boolean);
  std::string digits;
  for (const uint8_t b : y.as<uint8_t>()) digits += b ? '1' : '0';
  return digits;
}

}  // namespace

TEST_CASE("StringConcat broadcasts") {
  const Tensor y = result(R"(g () => (y) <string[2,1] a = {"ab", ""}, string[3] b = {"x", "", "ü"}> { y = StringConcat(a, b) })");
  CHECK(y.dimensions == std::vector<int64_t>{2, 3});
  CHECK(texts(y) == Texts{"abx", "ab", "abü", "x", "", "ü"});
}

TEST_CASE("StringSplit at a delimiter and at white space") {
  CHECK(run(R"(g () => (y) <string[2] x = {"a,b,,c", "d"}> { y, n = StringSplit<delimiter = ",">(x) })") ==
        Texts{"a", "b", "", "c", "d", "", "", ""});
  CHECK(values<int64_t>(result(R"(g () => (n) <string[3] x = {"a,b,,c", "d", ""}> { y, n = StringSplit<delimiter = ",">(x) })")) ==
        std::vector<int64_t>{4, 1, 1});
  CHECK(run(R"(g () => (y) <string[2] x = {"a--b--c", "--"}> { y, n = StringSplit<delimiter = "--", maxsplit = 1>(x) })") ==
        Texts{"a", "b--c", "", ""});
  // As Python's " a  b c ".split(None, 1): the rest keeps what ends it; an ideographic space (U+3000) separates too.
  CHECK(run("g () => (y) <string[2] x = {\" a  b c \", \"d\xe3\x80\x80"
            "e\"}> { y, n = StringSplit<maxsplit = 1>(x) }") == Texts{"a", "b c ", "d", "e"});
  const Tensor none = result(R"(g () => (y) <string[2] x = {"", "  "}> { y, n = StringSplit(x) })");
  CHECK(none.dimensions == std::vector<int64_t>{2, 0});
  CHECK(run(R"(g () => (y) <string x = {"a b"}> { y, n = StringSplit<maxsplit = 0>(x) })") == Texts{"a b"});
}

TEST_CASE("StringNormalizer drops stop words and changes case beyond ASCII") {
  CHECK(run(R"(g () => (y) <string[4] x = {"Straße", "ΑΒΓ", "Жук", "Éa"}> { y = StringNormalizer<case_change_action = "LOWER">(x) })") ==
        Texts{"straße", "αβγ", "жук", "éa"});
  CHECK(
      run(R"(g () => (y) <string[5] x = {"straße", "αβγ", "жук", "ÿ", "ơ"}> { y = StringNormalizer<case_change_action = "UPPER", locale = "de_DE">(x) })") ==
      Texts{"STRAßE", "ΑΒΓ", "ЖУК", "Ÿ", "Ơ"});
  const std::string days = R"(g () => (y) <string[3] x = {"Monday", "ÜBER", "tuesday"}> { y = StringNormalizer<stopwords = ["monday", "über"])";
  CHECK(run(days + ">(x) }") == Texts{"tuesday"});
  CHECK(run(days + ", is_case_sensitive = 1>(x) }") == Texts{"Monday", "ÜBER", "tuesday"});
  const Tensor nothing = result(R"(g () => (y) <string[1,2] x = {"a", "A"}> { y = StringNormalizer<stopwords = ["a"]>(x) })");
  CHECK(nothing.dimensions == std::vector<int64_t>{1, 1});
  CHECK(texts(nothing) == Texts{""});
}

TEST_CASE("regular expressions in RE2's syntax") {
  CHECK(matches("(\\\\W|^)[\\\\w.\\\\-]{0,25}@(yahoo|gmail)\\\\.com(\\\\W|$)", R"("account@gmail.com", "account@hotmail.com", "not email")", 3) ==
        "100");
  CHECK(matches("a{2,3}", R"("a", "aa", "aaa", "aaaa")", 4) == "0110");
  CHECK(matches("(a|b)*?abb", R"("abb", "babb", "ab", "aabba")", 4) == "1100");
  CHECK(matches("[^a-c\\\\d]+", R"("xyz", "xa", "x1", "é")", 4) == "1001");
  CHECK(matches("[]a-]+", R"("]-a", "b")", 2) == "10");
  CHECK(matches("[[:alpha:][:^ascii:]]+", R"("aé", "a1")", 2) == "10");
  CHECK(matches("(?i)straße|μ+", R"("STRASSE", "STRAßE", "ΜΜ", "m")", 4) == "0110");
  CHECK(matches("(?i)[ǅß]θ", R"("Ǆϴ", "ẞϑ", "ǆΘ", "sθ")", 4) == "1110");
  CHECK(matches("(?i)i+", R"("iI", "ı", "İ")", 3) == "100");
  CHECK(matches("(?i:a)b", R"("Ab", "AB")", 2) == "10");
  CHECK(matches("(?P<year>\\\\d{4})-(?:0[1-9]|1[0-2])", R"("2024-09", "2024-13", "2024-12")", 3) == "101");
  CHECK(matches(".", "\"ü\", \"\n\", \"ab\", \"\xF0\x9F\x98\x80\"", 4) == "1001");
  CHECK(matches("(?s).\\\\x{1F600}\\\\x41",
                "\"\n\xF0\x9F\x98\x80"
                "A\"",
                1) == "1");
  CHECK(matches("(?m)^a$\\\\n^b$", "\"a\nb\", \"a\nc\"", 2) == "10");
  CHECK(matches("\\\\bfoo\\\\b.*", R"("foo bar", "foobar")", 2) == "10");
  CHECK(matches("\\\\Qa.b*\\\\E+", R"("a.b*", "a.b**", "axb*")", 3) == "110");
  CHECK(matches("\\\\p{Greek}+\\\\pN\\\\P{L}", R"("αβ1-", "ab1-", "α٣!", "α1b")", 4) == "1010");
  CHECK(matches("\\\\p{Lu}\\\\p{Ll}+", R"("Жук", "жук", "Ǆā", "Āā")", 4) == "1011");
  CHECK(matches("(?i)\\\\p{Lu}\\\\P{Lu}", R"("a1", "ab", "1a")", 3) == "100");
  CHECK(matches("[^\\\\p{Han}\\\\P{L}]+", R"("abc", "漢", "a1")", 3) == "100");
  CHECK(matches("\\\\p{^Latin}\\\\P{^Latin}", R"("1a", "a1")", 2) == "10");
  CHECK(matches("\\\\p{Yi}", R"("ꀀ", "Y")", 2) == "10");
  CHECK(matches("\\\\p{Any}", "\"\xF0\x9F\x98\x80\", \"ab\"", 2) == "10");
  CHECK(matches("", R"("", "a")", 2) == "10");
  CHECK(matches("x{,2}", R"("x{,2}", "xx")", 2) == "10");  // no repetition: it stands for itself
  // A matcher that backtracks needs 2^60 steps for this.
  CHECK(matches("(a?){60}a{60}", '"' + std::string(60, 'a') + "\", \"" + std::string(59, 'a') + '"', 2) == "10");
  CHECK(matches("(a*)*b", '"' + std::string(5000, 'a') + '"', 1) == "0");
}

TEST_CASE("patterns that are refused") {
  const auto refused = [](const std::string& pattern, const std::string& because) {
    check_complaint("g (string[N] x) => (y) { [\"find\"] y = RegexFullMatch<pattern = \"" + pattern + "\">(x) }", {"'find'", "RE2", because});
  };
  refused("(a", "( without a )");
  refused("a)", ") without a (");
  refused("[a", "[ without a ]");
  refused("*a", "repeats nothing");
  refused("a**", "repeats a repetition");
  refused("(a)\\\\1", "refers back");
  refused("\\\\p{Klingon}", "unknown Unicode property");
  refused("\\\\p{Greek", "unknown Unicode property");
  refused("\\\\p", "unknown Unicode property");
  refused("[a-\\\\pL]", "end of a range");
  refused("(?=a)", "looks around");
  refused("[z-a]", "end lies before");
  refused("a{1001}", "above 1000");
  refused("((a{1000}){1000}){1000}", "too large");
  refused("(((){1000}){1000}){1000}", "too large");  // repeating nothing takes no steps, but time
  refused(std::string(300, '(') + std::string(300, ')'), "too many groups");
  refused("\\\\y", "unknown escape");
  refused("(?z)a", "unknown flag");
  refused("[[:letter:]]", "unknown class");
}

TEST_CASE("TfIdfVectorizer counts n-grams with skips") {
  const std::string pool =
      "mode = \"TF\", min_gram_length = 2, max_gram_length = 2, ngram_counts = [0, 4], ngram_indexes = [0, 1, 2, 3, 4, 5, 6], "
      "pool_int64s = [2, 3, 5, 4, 5, 6, 7, 8, 6, 7]";
  const std::string x = "g () => (y) <int32[12] x = {1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8}> { y = TfIdfVectorizer<max_skip_count = ";
  check_floats(result(x + "0, " + pool + ">(x) }"), {0, 0, 0, 0, 1, 1, 1});
  check_floats(result(x + "5, " + pool + ">(x) }"), {0, 0, 0, 0, 1, 3, 1});
  // Words: "a b a b": a twice, b twice, "a b" twice, "b a" once; each n-gram of the pool has its weight.
  const auto words = [](const std::string& mode) {
    return result(
        "g () => (y) <string[2,4] x = {\"a\", \"b\", \"a\", \"b\", \"c\", \"c\", \"a\", \"b\"}> { y = TfIdfVectorizer<max_skip_count = 0, mode = \"" +
        mode + "\", min_gram_length = 1, max_gram_length = 2, ngram_counts = [0, 2], ngram_indexes = [1, 0, 3], weights = [0.5, 2, 7, 3], " +
        "pool_strings = [\"a\", \"c\", \"a\", \"b\"]>(x) }");
  };
  check_floats(words("TF"), {0, 2, 0, 2, 2, 1, 0, 1});
  check_floats(words("IDF"), {0, 0.5f, 0, 7, 2, 0.5f, 0, 7});
  check_floats(words("TFIDF"), {0, 1, 0, 14, 4, 0.5f, 0, 7});
}

TEST_CASE("bad models with strings") {
  check_complaint("g (float[3] x) => (y) { [\"join\"] y = StringConcat(x, x) }", {"'join'", "StringConcat", "string", "float"});
  check_complaint("g (string[3] x, string[2] z) => (y) { y = StringConcat(x, z) }", {"broadcast", "3", "2"});
  check_complaint("g (string[3] x) => (y) { y = StringConcat(x) }", {"'Y' is missing"});
  check_complaint("g (string[2,3] x) => (y) { y = StringNormalizer(x) }", {"[1, C]", "2x3"});
  check_complaint("g (string[3] x) => (y) { y = StringNormalizer<case_change_action = \"TITLE\">(x) }", {"LOWER, UPPER or NONE", "TITLE"});
  check_complaint("g (string[3] x) => (y) { y = RegexFullMatch(x) }", {"'pattern' is missing"});
  check_complaint("g (string[3] x) => (y) { y, n = StringSplit<delimeter = \",\">(x) }", {"no attribute 'delimeter'", "delimiter"});
  const auto vectorizer = [](const std::string& attributes, const std::string& type = "int64[4]") {
    return "g (" + type + " x) => (y) { y = TfIdfVectorizer<mode = \"TF\", max_skip_count = 0, " + attributes + ">(x) }";
  };
  const std::string good = "min_gram_length = 1, max_gram_length = 1, ngram_counts = [0], ngram_indexes = [0, 1], ";
  check_complaint(vectorizer(good + "pool_strings = [\"a\", \"b\"]"), {"pool_int64s alone"});
  check_complaint(vectorizer(good + "pool_int64s = [1, 2, 3]"), {"'ngram_indexes' is too short", "3", "2"});
  check_complaint(vectorizer(good + "pool_int64s = [1, 2], weights = [1.5]"), {"'weights' is too short"});
  check_complaint(vectorizer(good + "pool_int64s = [1, 2]", "int64[2,2,2]"), {"number of dimensions", "1 to 2"});
  check_complaint(vectorizer("min_gram_length = 2, max_gram_length = 1, ngram_counts = [0], ngram_indexes = [0], pool_int64s = [1]"),
                  {"'max_gram_length'", "at least"});
  check_complaint(vectorizer("min_gram_length = 2, max_gram_length = 2, ngram_counts = [0, 0], ngram_indexes = [0], pool_int64s = [1]"),
                  {"whole ones", "multiple of 2"});
}
