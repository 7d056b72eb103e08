// See sufficiency.hpp.
#include "core/calibration/sufficiency.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>

#include "core/base/parallel.hpp"
#include "core/job/verification.hpp"
#include "lathe/kernels/types.hpp"

namespace lathe {
namespace {

// What is seen in one sample.
struct Look {
  std::string unreadable;  // why; empty: it was read
  bool constant = true, grey = true, finite = true;
  double lowest = INFINITY, highest = -INFINITY;  // of a picture input that came as finished numbers
  double first = 0, third = 0;                    // mean pixel of the first and third channel
  std::string fingerprint;
};

Diagnostic make(Severity severity, std::string text, std::string hint = {}) {
  Diagnostic d;
  d.severity = severity, d.text = std::move(text), d.hint = std::move(hint);
  return d;
}

void look_at_picture(const Picture& picture, Look& look) {
  const std::vector<uint8_t>& p = picture.rgb;
  for (size_t i = 0; i + 2 < p.size(); i += 3) {
    look.constant = look.constant && p[i] == p[0] && p[i + 1] == p[1] && p[i + 2] == p[2];
    look.grey = look.grey && p[i] == p[i + 1] && p[i] == p[i + 2];
    look.first += p[i], look.third += p[i + 2];
  }
  const double pixels = static_cast<double>(picture.width * picture.height);
  look.first /= pixels, look.third /= pixels;
}

// The elements of a tensor of floats or halves.
template <class Each>
void each_float(const Tensor& tensor, const Each& each) {
  if (tensor.type == DataType::float32)
    for (size_t i = 0; const float x : tensor.as<float>()) each(i++, x);
  if (tensor.type == DataType::float16)
    for (size_t i = 0; const kernels::float16 x : tensor.as<kernels::float16>()) each(i++, static_cast<float>(x));
}

void look_at_numbers(const Tensor& tensor, const Preprocessing* p, Look& look) {
  const std::span<const std::byte> bytes = tensor.as<std::byte>();
  const auto element = static_cast<size_t>(std::max(bits(tensor.type) / 8, 1));
  for (size_t i = element; i + element <= bytes.size() && look.constant; i += element)
    look.constant = std::equal(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(element), bytes.begin() + static_cast<ptrdiff_t>(i));
  const auto channels = static_cast<size_t>(p ? p->layout.channels : 1), pixels = static_cast<size_t>(tensor.size()) / channels;
  each_float(tensor, [&](size_t i, float x) {
    if (!std::isfinite(x)) look.finite = false;
    if (!p) return;
    look.lowest = std::min(look.lowest, double{x}), look.highest = std::max(look.highest, double{x});
    const size_t channel = p->layout.channels_last ? i % channels : i / pixels;
    const double pixel = double{x} / p->scale[channel] + p->mean[channel];
    if (channel == 0) look.first += pixel / double(pixels);
    if (channel == 2) look.third += pixel / double(pixels);
  });
  look.grey = false;
}

Look look_at(const CalibrationSet& set, size_t sample, bool pictures) {
  Look look;
  try {
    if (pictures) look_at_picture(set.read_picture(sample), look);
    for (size_t i = 0; i < set.inputs().size(); ++i) {
      const Preprocessing* p = set.preprocessing() && set.preprocessing()->input == set.inputs()[i].name ? &*set.preprocessing() : nullptr;
      if (p && pictures) continue;
      look_at_numbers(set.read(sample, i), p, look);
    }
    look.fingerprint = set.fingerprint(sample);
  } catch (const Error& error) {
    if (set.from().kind != CalibrationSource::Kind::pictures) throw;
    look.unreadable = error.diagnostics.front().text;
  }
  return look;
}

std::string name_files(const CalibrationSet& set, const std::vector<size_t>& samples) {
  constexpr size_t most = 4;
  std::string text;
  for (size_t i = 0; i < std::min(samples.size(), most); ++i) {
    const std::string file = std::filesystem::path(set.file(samples[i])).filename().string();
    text += (i ? ", " : "") + (set.from().kind == CalibrationSource::Kind::arrays ? file + " sample " + std::to_string(samples[i]) : file);
  }
  if (samples.size() > most) text += " and " + std::to_string(samples.size() - most) + " more";
  return text;
}

std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", x);
  return text;
}

// Finished numbers against what the contract makes of pixels.
std::optional<Diagnostic> judge_range(const Preprocessing& p, double lowest, double highest) {
  double low = INFINITY, high = -INFINITY;
  for (size_t c = 0; c < static_cast<size_t>(p.layout.channels); ++c) {
    low = std::min({low, double{p.lowest(c)}, double{p.highest(c)}});
    high = std::max({high, double{p.lowest(c)}, double{p.highest(c)}});
  }
  const double span = high - low;
  Diagnostic d;
  d.expected = "values between " + number(low) + " and " + number(high), d.found = number(lowest) + " to " + number(highest);
  const std::string contract = "say what the model takes with --mean and --scale, if it is not " + describe(p);
  if (highest > high + span / 2 || lowest < low - span / 2) {
    d.text = "the arrays' values lie outside of what the model takes";
    const bool pixels = lowest >= 0 && highest > 1.5 && highest <= 255;
    d.hint = (pixels ? "they look like pixels: save them as uint8, and they are normalised here; or " : "") + contract;
  } else if (highest - lowest < span / 16) {
    d.text = "the arrays' values fill almost nothing of the range that the model takes";
    d.hint = std::string(lowest >= 0 && highest <= 1.001 ? "they look like 0..1: multiply them by 255; or " : "") + contract;
  } else if (low < -span / 10 && lowest >= -1e-3) {
    d.text = "the arrays' values are never negative, and pictures that are normalised for this model are";
    d.hint = "subtract the mean and divide by the deviation; or " + contract;
  } else {
    return std::nullopt;
  }
  return d;
}

// ImageNet's mean in the other order than the colours.
bool mean_in_other_order(const Preprocessing& p) {
  const auto near = [&](size_t first, size_t third) {
    return std::fabs(p.mean[first] - imagenet_mean[0]) < 1 && std::fabs(p.mean[third] - imagenet_mean[2]) < 1;
  };
  return p.layout.channels == 3 && (p.bgr ? near(0, 2) : near(2, 0));
}

}  // namespace

CalibrationFindings check_sufficiency(CalibrationSet& set, const CalibrationNeed& need, unsigned threads,
                                      const std::function<void(double)>& progress) {
  CalibrationFindings findings;
  findings.given = set.count();
  const bool random = set.from().kind == CalibrationSource::Kind::random, pictures = set.has_pictures();
  std::vector<Look> looks(set.count());
  std::atomic<size_t> done{0};
  if (!random)
    parallel_for(set.count(), threads, [&](size_t i) {
      looks[i] = look_at(set, i, pictures);
      const size_t now = ++done;
      if (progress) progress(static_cast<double>(now) / static_cast<double>(looks.size()));
    });

  std::vector<Diagnostic> problems;
  std::vector<bool> wanted(set.count(), true);
  std::vector<size_t> unreadable, constant, duplicated, wild;
  std::map<std::string, size_t> seen;
  bool grey = pictures && set.preprocessing()->layout.channels == 3;
  size_t used = 0, blue = 0;
  double lowest = INFINITY, highest = -INFINITY;
  for (size_t i = 0; i < looks.size() && !random; ++i) {
    const Look& look = looks[i];
    std::vector<size_t>* reason = nullptr;
    if (!look.unreadable.empty()) {
      reason = &unreadable;
    } else if (!look.finite) {
      wild.push_back(i);
    } else if (look.constant) {
      reason = &constant;
    } else if (!seen.emplace(look.fingerprint, i).second) {
      reason = &duplicated;
    }
    if (reason) {
      reason->push_back(i), wanted[i] = false;
      continue;
    }
    ++used;
    grey = grey && look.grey;
    lowest = std::min(lowest, look.lowest), highest = std::max(highest, look.highest);
    if (set.preprocessing()) blue += (set.preprocessing()->bgr ? look.third - look.first : look.first - look.third) < -8;
  }
  findings.unreadable = unreadable.size(), findings.constant = constant.size(), findings.duplicated = duplicated.size();
  const auto say = [&](std::vector<Diagnostic>& to, Severity severity, std::string text, std::string hint) {
    Diagnostic d = make(severity, std::move(text), std::move(hint));
    d.location = set.from().path;
    to.push_back(std::move(d));
  };
  const auto left_out = [&](const std::vector<size_t>& samples, const std::string& one, const std::string& several) {
    if (!samples.empty())
      say(findings.diagnostics, Severity::warning,
          std::to_string(samples.size()) + (samples.size() == 1 ? one : several) + " left out: " + name_files(set, samples), "");
  };
  if (!unreadable.empty())
    left_out(unreadable, " picture that cannot be read is", " pictures that cannot be read are"),
        findings.diagnostics.back().hint = looks[unreadable.front()].unreadable;
  left_out(constant, " sample of one value everywhere is", " samples of one value everywhere are");
  left_out(duplicated, " sample that is there already is", " samples that are there already are");
  if (!wild.empty())
    say(problems, Severity::error, "the arrays hold NaN or infinities: " + name_files(set, wild),
        "mend them with numpy.nan_to_num, or leave them out");

  if (!random) set.keep(wanted);
  findings.used = set.count();
  if (std::isfinite(lowest) && set.has_finished_pictures())
    if (std::optional<Diagnostic> problem = judge_range(*set.preprocessing(), lowest, highest)) {
      problem->location = set.from().path;
      problems.push_back(std::move(*problem));
    }
  const std::string who = need.target.empty() ? "calibration" : "target '" + need.target + "'";
  const auto less = [&](Severity severity, int64_t count, const std::string& words) {
    Diagnostic d = make(severity, "there are too few samples to calibrate with: " + who + words,
                        random ? "write random:" + std::to_string(count) : "add more; they should look like what the model will see");
    d.location = set.from().path;
    d.expected = std::to_string(count) + " or more";
    d.found = std::to_string(findings.used);
    if (findings.used != findings.given) d.found += " of " + std::to_string(findings.given) + " can be used";
    return d;
  };
  const auto count = static_cast<int64_t>(findings.used);
  const int64_t lowest_count = std::max<int64_t>(need.lowest, 1);
  if (count < lowest_count) {
    Diagnostic d = less(Severity::error, lowest_count, " wants at least " + std::to_string(lowest_count));
    if (need.wanted > lowest_count) d.text += ", better " + std::to_string(need.wanted);
    problems.push_back(std::move(d));
  } else if (count < need.wanted) {
    findings.diagnostics.push_back(less(Severity::warning, need.wanted, " would like " + std::to_string(need.wanted)));
  }
  if (!problems.empty()) {
    problems.insert(problems.end(), findings.diagnostics.begin(), findings.diagnostics.end());
    throw Error(Code::failed, std::move(problems));
  }

  if (grey && used > 0)
    say(findings.diagnostics, Severity::warning, "all pictures are grey, and the model takes colours",
        "calibrate with pictures like those it will see");
  if (set.has_finished_pictures() && used >= 8 && blue * 4 >= used * 3)
    say(findings.diagnostics, Severity::warning,
        "the arrays look as if their colours stood in the other order: what is taken for blue is brighter than red in " + std::to_string(blue) +
            " of " + std::to_string(used),
        std::string("they are taken as ") + (set.preprocessing()->bgr ? "BGR" : "RGB") + "; --color-order says otherwise");
  if (set.preprocessing() && mean_in_other_order(*set.preprocessing()))
    say(findings.diagnostics, Severity::warning,
        std::string("the mean is ImageNet's in the order ") + (set.preprocessing()->bgr ? "RGB" : "BGR") + ", and the colours are in the other",
        "give --mean in the order of --color-order");
  if (random)
    say(findings.diagnostics, Severity::warning,
        "calibrating with " + std::to_string(count) + " random samples (seed " + std::to_string(set.from().seed) +
            "), as was asked for: the ranges mean nothing, and neither does the accuracy",
        "for trying out a toolchain only");
  return findings;
}

}  // namespace lathe
