// How a camera says that a picture was taken: with its top at a side. The pixels lie as the sensor had them, and a tag of EXIF tells how to turn
// them.
#pragma once
#include "core/files/picture.hpp"

namespace lathe {

// The orientation of a JPEG file, 1 (as it lies) to 8, after EXIF 2.32 (CIPA DC-008, 4.6.4 tag 0x0112); 1 where none is said and for other formats.
int exif_orientation(std::span<const std::byte> file);

// The picture as people see it, upright.
Picture upright(Picture picture, int orientation);

// decode_picture(), turned upright: what training saw, whose readers (OpenCV's imread) turn pictures too. Predictions and calibration read so.
Picture decode_upright(std::span<const std::byte> file, const std::string& source);

}  // namespace lathe
