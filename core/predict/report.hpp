// A prediction as JSON (docs/schemas/predict.schema.json) and as a line for people.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "core/predict/contract.hpp"
#include "core/predict/predictor.hpp"

namespace lathe {

// "detections" or "classes" of one picture; its place, size and drawing are the caller's to add.
nlohmann::ordered_json to_json(const Prediction& prediction, const Contract& contract);

// "4 person, 1 bus", "daisy 0.91, rose 0.05", "nothing found".
std::string summary(const Prediction& prediction, const Contract& contract);

}  // namespace lathe
