#include "kernels.h"

#include <cmath>
#include <cstring>
#include <vector>

// One binary for every x86-64: the loops are compiled for three instruction sets and chosen at load time.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define MEME_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MEME_CLONES
#endif
#define MEME_INLINE __attribute__((always_inline)) inline

namespace meme_blocks {
namespace {

// Rows that are summed in single precision before they are added up in double.
constexpr int64_t kRows = 32;
// Beyond it the sigmoid stays what it is there, 9e-27 or 1: further out its products would be subnormal numbers, which
// processors multiply a hundred times slower.
constexpr float kSteepest = 60.0f;

// exp(x) for |x| <= kSteepest to 2 units in the last place: x = n ln 2 + r with |r| <= ln 2 / 2 and a polynomial in r
// (Cephes' expf). Written so that compilers turn a loop of it into vector instructions.
MEME_INLINE float fast_exp(float x) {
  x = x < -kSteepest ? -kSteepest : x;
  x = x > kSteepest ? kSteepest : x;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  const float shifted = x * 1.44269504088896341f + magic;
  const float n = shifted - magic;
  float r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  int32_t bits;
  std::memcpy(&bits, &shifted, sizeof(bits));
  bits = static_cast<int32_t>(static_cast<uint32_t>(bits) << 23) + (127 << 23);
  float power;
  std::memcpy(&power, &bits, sizeof(power));
  return p * power;
}

MEME_INLINE float sigmoid(float z) { return 1.0f / (1.0f + fast_exp(-z)); }

// d silu(z) / dz
MEME_INLINE float silu_slope(float z) {
  const float s = sigmoid(z);
  return s * (1.0f + z * (1.0f - s));
}

// Mean and variance of each group from each channel's sums of (x - first) and (x - first)^2: taking a channel's
// first value off keeps the squares small where the mean is large.
void moments(const Slab &slab, double epsilon, const double *first, const double *sum, const double *square,
             float *mean, float *rstd) {
  const double pixels = static_cast<double>(slab.pixels);
  for (int64_t begin = 0, g = 0; begin < slab.channels; begin += slab.group_channels, ++g) {
    double m = 0, variance = 0;
    for (int64_t c = begin; c < begin + slab.group_channels; ++c) m += first[c] + sum[c] / pixels;
    m /= static_cast<double>(slab.group_channels);
    for (int64_t c = begin; c < begin + slab.group_channels; ++c) {
      const double shift = sum[c] / pixels, from_mean = first[c] + shift - m;
      variance += square[c] / pixels - shift * shift + from_mean * from_mean;
    }
    variance /= static_cast<double>(slab.group_channels);
    mean[g] = static_cast<float>(m);
    rstd[g] = static_cast<float>(1.0 / std::sqrt((variance < 0 ? 0 : variance) + epsilon));
  }
}

MEME_CLONES void sums(const Slab &s, const float *__restrict x, float *__restrict a, float *__restrict q,
                           double *__restrict sum, double *__restrict square) {
  for (int64_t begin = 0; begin < s.pixels; begin += kRows) {
    const int64_t end = begin + kRows < s.pixels ? begin + kRows : s.pixels;
    for (int64_t c = 0; c < s.channels; ++c) a[c] = q[c] = 0;
    for (int64_t p = begin; p < end; ++p) {
      const float *__restrict row = x + p * s.pixel_stride;
      for (int64_t c = 0; c < s.channels; ++c) {
        const float d = row[c] - x[c];
        a[c] += d;
        q[c] += d * d;
      }
    }
    for (int64_t c = 0; c < s.channels; ++c) {
      sum[c] += a[c];
      square[c] += q[c];
    }
  }
}

MEME_CLONES void apply(const Slab &s, const float *__restrict x, const float *__restrict scale,
                            const float *__restrict shift, float *__restrict y) {
  for (int64_t p = 0; p < s.pixels; ++p) {
    const float *__restrict from = x + p * s.pixel_stride;
    float *__restrict to = y + p * s.pixel_stride;
    for (int64_t c = 0; c < s.channels; ++c) to[c] = from[c] * scale[c] + shift[c];
  }
}

MEME_CLONES void apply_silu(const Slab &s, const float *__restrict x, const float *__restrict scale,
                                 const float *__restrict shift, float *__restrict y) {
  for (int64_t p = 0; p < s.pixels; ++p) {
    const float *__restrict from = x + p * s.pixel_stride;
    float *__restrict to = y + p * s.pixel_stride;
    for (int64_t c = 0; c < s.channels; ++c) {
      const float z = from[c] * scale[c] + shift[c];
      to[c] = z * sigmoid(z);
    }
  }
}

// Writes dz, the gradient in front of the activation, and sums dz and dz * x for each channel.
MEME_CLONES void gradient_sums(const Slab &s, bool activate, const float *__restrict x,
                                    const float *__restrict dy, const float *__restrict scale,
                                    const float *__restrict shift, const float *__restrict mean,
                                    float *__restrict a, float *__restrict b, float *__restrict dz,
                                    double *__restrict sum, double *__restrict sum_x) {
  for (int64_t begin = 0; begin < s.pixels; begin += kRows) {
    const int64_t end = begin + kRows < s.pixels ? begin + kRows : s.pixels;
    for (int64_t c = 0; c < s.channels; ++c) a[c] = b[c] = 0;
    for (int64_t p = begin; p < end; ++p) {
      const float *__restrict row = x + p * s.pixel_stride;
      const float *__restrict in = dy + p * s.pixel_stride;
      float *__restrict out = dz + p * s.pixel_stride;
      if (activate) {
        for (int64_t c = 0; c < s.channels; ++c) {
          const float d = in[c] * silu_slope(row[c] * scale[c] + shift[c]);
          out[c] = d;
          a[c] += d;
          b[c] += d * (row[c] - mean[c]);
        }
      } else {
        for (int64_t c = 0; c < s.channels; ++c) {
          const float d = in[c];
          out[c] = d;
          a[c] += d;
          b[c] += d * (row[c] - mean[c]);
        }
      }
    }
    for (int64_t c = 0; c < s.channels; ++c) {
      sum[c] += a[c];
      sum_x[c] += b[c];
    }
  }
}

// dx = dz * scale + x * slope + constant, in the place of dz.
MEME_CLONES void gradient(const Slab &s, const float *__restrict x, const float *__restrict scale,
                               const float *__restrict slope, const float *__restrict constant,
                               float *__restrict dx) {
  for (int64_t p = 0; p < s.pixels; ++p) {
    const float *__restrict row = x + p * s.pixel_stride;
    float *__restrict out = dx + p * s.pixel_stride;
    for (int64_t c = 0; c < s.channels; ++c) out[c] = out[c] * scale[c] + row[c] * slope[c] + constant[c];
  }
}

// scale = rstd * weight and shift = bias - mean * scale: the whole norm as one multiply-add a channel.
void affine(const Slab &s, const float *weight, const float *bias, const float *mean, const float *rstd,
            float *scale, float *shift) {
  for (int64_t c = 0; c < s.channels; ++c) {
    const int64_t g = c / s.group_channels;
    scale[c] = rstd[g] * weight[c];
    shift[c] = bias[c] - mean[g] * scale[c];
  }
}

}  // namespace

void norm_forward(const Slab &s, bool activate, double epsilon, const float *x, const float *weight,
                  const float *bias, float *y, float *mean, float *rstd) {
  const size_t channels = static_cast<size_t>(s.channels);
  std::vector<double> doubles(3 * channels);
  std::vector<float> lines(2 * channels);
  double *first = doubles.data(), *sum = first + channels, *square = sum + channels;
  float *scale = lines.data(), *shift = scale + channels;
  for (int64_t c = 0; c < s.channels; ++c) first[c] = x[c];
  sums(s, x, scale, shift, sum, square);
  moments(s, epsilon, first, sum, square, mean, rstd);
  affine(s, weight, bias, mean, rstd, scale, shift);
  if (activate) {
    apply_silu(s, x, scale, shift, y);
  } else {
    apply(s, x, scale, shift, y);
  }
}

// With xhat = (x - mean) * rstd and dz the gradient in front of the activation (Wu and He, arXiv 1803.08494):
// dbias = sum dz, dweight = sum dz * xhat, and within a group of n values
// dx = rstd * (weight * dz - (sum weight * dz) / n - xhat * (sum weight * dz * xhat) / n).
void norm_backward(const Slab &s, bool activate, const float *x, const float *dy, const float *weight,
                   const float *bias, const float *mean, const float *rstd, float *dx, float *dweight,
                   float *dbias) {
  const size_t channels = static_cast<size_t>(s.channels);
  std::vector<double> doubles(2 * channels);
  std::vector<float> lines(5 * channels);
  double *sum = doubles.data(), *sum_x = sum + channels;
  float *scale = lines.data(), *shift = scale + channels, *means = shift + channels;
  float *slope = means + channels, *constant = slope + channels;
  affine(s, weight, bias, mean, rstd, scale, shift);
  for (int64_t c = 0; c < s.channels; ++c) means[c] = mean[c / s.group_channels];
  gradient_sums(s, activate, x, dy, scale, shift, means, slope, constant, dx, sum, sum_x);
  const double count = static_cast<double>(s.group_channels) * static_cast<double>(s.pixels);
  for (int64_t begin = 0, g = 0; begin < s.channels; begin += s.group_channels, ++g) {
    double plain = 0, along = 0;
    for (int64_t c = begin; c < begin + s.group_channels; ++c) {
      dbias[c] = static_cast<float>(sum[c]);
      dweight[c] = static_cast<float>(sum_x[c] * rstd[g]);
      plain += weight[c] * sum[c];
      along += weight[c] * sum_x[c] * rstd[g];
    }
    const double r = rstd[g], by_x = -r * r * along / count;
    for (int64_t c = begin; c < begin + s.group_channels; ++c) {
      slope[c] = static_cast<float>(by_x);
      constant[c] = static_cast<float>(-r * plain / count - mean[g] * by_x);
    }
  }
  gradient(s, x, scale, slope, constant, dx);
}

}  // namespace meme_blocks
