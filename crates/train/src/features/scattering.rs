//! The wavelet scattering transform of images: features that follow from the image alone.

use super::fourier::{Fourier, LANES, Lane};
use super::wavelet::{DIRECTIONS, morlet, window};
use crate::Error;

/// The scattering transform of order 2 over two scales and eight directions (Bruna & Mallat 2013, arXiv:1203.1513; the wavelets of Kymatio,
/// Andreux et al. 2020, arXiv:1812.11214), as features for training under a bound (Tramèr & Boneh 2021, arXiv:2011.11660).
///
/// An image is averaged by a Gaussian window; so are the moduli of its 16 wavelet transforms; and those of the 64 transforms of the moduli at the
/// finer scale by the coarser wavelets: 81 channels, each taken at every fourth pixel from the third. Beyond its edge an image is zero.
///
/// No other image takes part and nothing is fitted, hence the features of a row cost no budget.
///
/// ```
/// use reticent_train::features::Scattering;
/// let scattering = Scattering::new(28, 28)?;
/// assert_eq!((scattering.channels(), scattering.positions()), (81, 7 * 7));
/// let features = scattering.transform(&vec![0.5; 2 * 28 * 28]);
/// assert_eq!(features.len(), 2 * 81 * 49);
/// # Ok::<(), reticent_train::Error>(())
/// ```
pub struct Scattering {
    height: usize,
    width: usize,
    side: usize,
    whole: Fourier,
    half: Fourier,
    /// The transform of each wavelet, which is real: `[scale][direction]`.
    wavelets: [Vec<Vec<f32>>; 2],
    /// The window's weights of the pixels for each position down and across, on the whole and on the half grid.
    windows: [[Vec<Vec<f32>>; 2]; 2],
}

/// Pixels from one position to the next.
const STRIDE: usize = 4;
/// The first pixel at which channels are taken.
const FIRST: usize = 2;
/// Least number of zeros between an image and its periodic copy.
const GAP: usize = 4;
/// Above this, one image takes more memory than anyone means to give it.
const LARGEST: usize = 512;

impl Scattering {
    /// For images of this size.
    ///
    /// # Errors
    /// [`Error::Features`] where a side is below 4 or above 508.
    pub fn new(height: usize, width: usize) -> Result<Self, Error> {
        let longest = height.max(width) + GAP;
        if height < STRIDE || width < STRIDE || longest > LARGEST {
            return Err(Error::Features { why: "the sides of an image are 4 to 508 pixels".to_owned() });
        }
        let side = longest.next_power_of_two();
        let whole = Fourier::new(side);
        let transformed = |scale: usize| -> Vec<Vec<f32>> {
            (0..DIRECTIONS)
                .map(|direction| {
                    let filter = morlet(side, scale, direction);
                    let mut re: Vec<Lane> = filter.iter().map(|v| [v.0 as f32; LANES]).collect();
                    let mut im: Vec<Lane> = filter.iter().map(|v| [v.1 as f32; LANES]).collect();
                    whole.forward(&mut re, &mut im);
                    re.iter().map(|lane| lane[0]).collect()
                })
                .collect()
        };
        let wavelets = [transformed(0), transformed(1)];
        let weights = |pixels: usize, spacing: usize| -> Vec<Vec<f32>> {
            let size = side / spacing;
            let window = window(size, spacing);
            let at = |position: usize| (FIRST + position * STRIDE) / spacing;
            (0..pixels / STRIDE).map(|p| (0..size).map(|i| window[(at(p) + size - i) % size] as f32).collect()).collect()
        };
        let windows = [1, 2].map(|spacing| [weights(height, spacing), weights(width, spacing)]);
        Ok(Self { height, width, side, half: Fourier::new(side / 2), whole, wavelets, windows })
    }

    /// Number of channels: 81.
    #[must_use]
    pub fn channels(&self) -> usize {
        1 + 2 * DIRECTIONS + DIRECTIONS * DIRECTIONS
    }

    /// Number of positions at which each channel is taken: `⌊height / 4⌋ · ⌊width / 4⌋`.
    #[must_use]
    pub fn positions(&self) -> usize {
        (self.height / STRIDE) * (self.width / STRIDE)
    }

    /// The features of images, one after the other: from `[images, height, width]` to `[images, channels, down, across]`, row-major. Channels are
    /// the average; the moduli, by scale, then direction; those of second order, by first direction, then second.
    ///
    /// # Panics
    /// Where `images` is no whole number of images.
    #[must_use]
    pub fn transform(&self, images: &[f32]) -> Vec<f32> {
        let (pixels, features) = (self.height * self.width, self.channels() * self.positions());
        assert_eq!(images.len() % pixels, 0, "whole images");
        let mut out = vec![0.0; images.len() / pixels * features];
        let mut work = Work::new(self.side);
        for (images, out) in images.chunks(LANES * pixels).zip(out.chunks_mut(LANES * features)) {
            self.together(images, out, &mut work);
        }
        out
    }

    fn together(&self, images: &[f32], out: &mut [f32], work: &mut Work) {
        let (side, pixels) = (self.side, self.height * self.width);
        let mut put = Put { features: self.channels() * self.positions(), out, channel: 0, positions: self.positions() };
        let Work { image: [re, im], whole: [u_re, u_im], half: [v_re, v_im] } = work;
        re.fill([0.0; LANES]);
        im.fill([0.0; LANES]);
        for (lane, image) in images.chunks_exact(pixels).enumerate() {
            for (row, line) in image.chunks_exact(self.width).enumerate() {
                for (column, pixel) in line.iter().enumerate() {
                    re[row * side + column][lane] = *pixel;
                }
            }
        }
        put.averages(re, &self.windows[0]);
        self.whole.forward(re, im);
        let second = 1 + 2 * DIRECTIONS;
        for direction in 0..DIRECTIONS {
            let scale = 1.0 / (side * side) as f32;
            for ((u, f), w) in
                u_re.iter_mut().chain(u_im.iter_mut()).zip(re.iter().chain(im.iter())).zip(self.wavelets[0][direction].iter().cycle())
            {
                *u = std::array::from_fn(|l| f[l] * w * scale);
            }
            self.whole.inverse(u_re, u_im);
            modulus(u_re, u_im);
            put.channel = 1 + direction;
            put.averages(u_re, &self.windows[0]);
            self.whole.forward(u_re, u_im);
            for other in 0..DIRECTIONS {
                self.coarse([u_re, u_im], other, [v_re, v_im]);
                put.channel = second + direction * DIRECTIONS + other;
                put.averages(v_re, &self.windows[1]);
            }
        }
        for direction in 0..DIRECTIONS {
            self.coarse([re, im], direction, [v_re, v_im]);
            put.channel = 1 + DIRECTIONS + direction;
            put.averages(v_re, &self.windows[1]);
        }
    }

    /// The modulus of a coarse wavelet transform, at every second pixel: its frequencies fit on the half grid but for what is folded in here.
    fn coarse(&self, of: [&[Lane]; 2], direction: usize, to: [&mut [Lane]; 2]) {
        let (side, half) = (self.side, self.side / 2);
        let wavelet = &self.wavelets[1][direction];
        // A quarter for every second pixel both ways, and what the inverse leaves.
        let scale = 1.0 / (4 * half * half) as f32;
        let [to_re, to_im] = to;
        for (to, of) in [(&mut *to_re, of[0]), (&mut *to_im, of[1])] {
            for row in 0..half {
                for column in 0..half {
                    let mut sum = [0.0; LANES];
                    for at in [row, row + half].into_iter().flat_map(|r| [r * side + column, r * side + column + half]) {
                        let (f, w) = (of[at], wavelet[at] * scale);
                        sum = std::array::from_fn(|l| sum[l] + f[l] * w);
                    }
                    to[row * half + column] = sum;
                }
            }
        }
        self.half.inverse(to_re, to_im);
        modulus(to_re, to_im);
    }
}

/// What a transform works in, for the image's size and for half of it.
struct Work {
    image: [Vec<Lane>; 2],
    whole: [Vec<Lane>; 2],
    half: [Vec<Lane>; 2],
}

impl Work {
    fn new(side: usize) -> Self {
        let plane = |pixels: usize| [vec![[0.0; LANES]; pixels], vec![[0.0; LANES]; pixels]];
        Self { image: plane(side * side), whole: plane(side * side), half: plane(side * side / 4) }
    }
}

/// Leaves the modulus in the real part and zero in the other.
fn modulus(re: &mut [Lane], im: &mut [Lane]) {
    for (re, im) in re.iter_mut().zip(im) {
        *re = std::array::from_fn(|l| (re[l] * re[l] + im[l] * im[l]).sqrt());
        *im = [0.0; LANES];
    }
}

/// Where a channel goes.
struct Put<'a> {
    out: &'a mut [f32],
    features: usize,
    positions: usize,
    channel: usize,
}

impl Put<'_> {
    /// Writes the windowed averages: along the rows first, then down.
    fn averages(&mut self, plane: &[Lane], [down, across]: &[Vec<Vec<f32>>; 2]) {
        let side = down[0].len();
        let mut rows = vec![[0.0; LANES]; side * across.len()];
        for (row, line) in plane.chunks_exact(side).enumerate() {
            for (position, weights) in across.iter().enumerate() {
                rows[row * across.len() + position] = weighted(weights, line.iter());
            }
        }
        for (y, weights) in down.iter().enumerate() {
            for x in 0..across.len() {
                let average = weighted(weights, rows[x..].iter().step_by(across.len()));
                let place = self.channel * self.positions + y * across.len() + x;
                for (image, value) in self.out.chunks_exact_mut(self.features).zip(average) {
                    image[place] = value;
                }
            }
        }
    }
}

fn weighted<'a>(weights: &[f32], lanes: impl Iterator<Item = &'a Lane>) -> Lane {
    let mut sum = [0.0; LANES];
    for (w, lane) in weights.iter().zip(lanes) {
        sum = std::array::from_fn(|l| sum[l] + w * lane[l]);
    }
    sum
}
