#include "nanodet/sha256.h"

#include <array>
#include <cstdint>
#include <string>

#include "files.h"

namespace nanodet {

namespace {

// fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2)
constexpr std::array<std::uint32_t, 64> constants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using State = std::array<std::uint32_t, 8>;

std::uint32_t rotate(std::uint32_t word, int bits) {
    return word >> bits | word << (32 - bits);
}

/// Takes one block of 64 bytes (FIPS 180-4, 6.2.2).
void add_block(State& state, const unsigned char* block) {
    std::array<std::uint32_t, 64> words;
    for (std::size_t t = 0; t < 16; ++t)
        words[t] = std::uint32_t(block[4 * t]) << 24 | std::uint32_t(block[4 * t + 1]) << 16 |
                   std::uint32_t(block[4 * t + 2]) << 8 | std::uint32_t(block[4 * t + 3]);
    for (std::size_t t = 16; t < 64; ++t) {
        const std::uint32_t a = words[t - 15], b = words[t - 2];
        words[t] = (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10) + words[t - 7] +
                   (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + words[t - 16];
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (std::size_t t = 0; t < 64; ++t) {
        const std::uint32_t first = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                                    ((e & f) ^ (~e & g)) + constants[t] + words[t];
        const std::uint32_t second =
            (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + first;
        d = c;
        c = b;
        b = a;
        a = first + second;
    }
    const State added = {a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < state.size(); ++i) state[i] += added[i];
}

}  // namespace

std::string sha256(const void* data, std::size_t size) {
    // fractional parts of the square roots of the first 8 primes (5.3.3)
    State state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const auto* bytes = static_cast<const unsigned char*>(data);
    std::size_t left = size;
    for (; left >= 64; left -= 64, bytes += 64) add_block(state, bytes);
    // the rest, a one bit, zeros, and the length in bits fill one or two blocks (5.1.1)
    std::array<unsigned char, 128> tail{};
    for (std::size_t i = 0; i < left; ++i) tail[i] = bytes[i];
    tail[left] = 0x80;
    const std::size_t end = left < 56 ? 64 : 128;
    const std::uint64_t bits = std::uint64_t(size) * 8;
    for (std::size_t i = 0; i < 8; ++i)
        tail[end - 1 - i] = static_cast<unsigned char>(bits >> (8 * i));
    for (std::size_t at = 0; at < end; at += 64) add_block(state, tail.data() + at);
    std::string digest;
    for (std::uint32_t word : state)
        for (int shift = 28; shift >= 0; shift -= 4) digest += "0123456789abcdef"[word >> shift & 15];
    return digest;
}

std::string sha256_of_file(const std::string& path) {
    const std::string bytes = read_file(path, "this file");
    return sha256(bytes.data(), bytes.size());
}

}  // namespace nanodet
