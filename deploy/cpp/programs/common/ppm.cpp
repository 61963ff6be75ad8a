#include "common/ppm.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <istream>

#include "files.h"
#include "nanodet/error.h"

namespace nanodet {

namespace {

constexpr int largest_side = 65536;

/// Reads a whole number of the header, behind blanks and comments; -1 where there is none.
int read_number(std::istream& file) {
    int letter = file.get();
    while (letter == '#' || letter == ' ' || letter == '\t' || letter == '\n' || letter == '\r') {
        if (letter == '#')
            while (letter != '\n' && letter != EOF) letter = file.get();
        else
            letter = file.get();
    }
    int number = -1;
    while (letter >= '0' && letter <= '9' && number <= largest_side) {
        number = (number < 0 ? 0 : number) * 10 + (letter - '0');
        letter = file.get();
    }
    return number;  // the one blank behind it has been read
}

}  // namespace

PpmPicture read_ppm(const std::string& path) {
    if (is_special(path))
        throw Error(path + ": cannot read this image (it is a device or a pipe, not a file)");
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw Error(path + ": cannot read this image (" +
                    (errno ? std::strerror(errno) : "cannot be opened") + ")");
    char magic[2] = {};
    file.read(magic, 2);
    if (magic[0] != 'P' || magic[1] != '6')
        throw Error(path + ": not a binary PPM image (P6)");
    PpmPicture picture;
    picture.width = read_number(file);
    picture.height = read_number(file);
    const int largest_value = read_number(file);
    const auto wrong = [](int side) { return side < 1 || side > largest_side; };
    if (wrong(picture.width) || wrong(picture.height))
        throw Error(path + ": its sides must be 1 to " + std::to_string(largest_side) + " pixels");
    if (largest_value != 255) throw Error(path + ": its pixels must have 8 bits (255)");
    const std::size_t row = std::size_t(picture.width) * 3;
    // row by row, so that a header that promises too much costs no memory
    for (int y = 0; y < picture.height; ++y) {
        picture.pixels.resize(row * (std::size_t(y) + 1));
        file.read(reinterpret_cast<char*>(picture.pixels.data() + row * std::size_t(y)),
                  std::streamsize(row));
        if (std::size_t(file.gcount()) != row)
            throw Error(path + ": this image is truncated");
    }
    return picture;
}

}  // namespace nanodet
