//! A grey PNG of images in a grid.

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::{Error, Write};

/// Times that a pixel is drawn each way, and the gap between images.
const SCALE: usize = 3;
const GAP: usize = 6;

/// `rows[row][column]` of images with `side` × `side` values, `bounds` from white to black.
pub(crate) fn grid(rows: &[Vec<Vec<f64>>], side: usize, bounds: (f64, f64)) -> Result<Vec<u8>, Error> {
    let cell = side * SCALE + GAP;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let (width, height) = (columns * cell + GAP, rows.len() * cell + GAP);
    let mut pixels = vec![255_u8; width * height];
    for (row, images) in rows.iter().enumerate() {
        for (column, image) in images.iter().enumerate() {
            for y in 0..side * SCALE {
                for x in 0..side * SCALE {
                    let value = (image[y / SCALE * side + x / SCALE] - bounds.0) / (bounds.1 - bounds.0);
                    pixels[(row * cell + GAP + y) * width + column * cell + GAP + x] = (255.0 * (1.0 - value.clamp(0.0, 1.0))) as u8;
                }
            }
        }
    }
    png(&pixels, width, height)
}

fn png(pixels: &[u8], width: usize, height: usize) -> Result<Vec<u8>, Error> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8; 4], body: &[u8]| {
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(body);
        file.extend_from_slice(&(body.len() as u32).to_be_bytes());
        file.extend_from_slice(name);
        file.extend_from_slice(body);
        file.extend_from_slice(&crc.sum().to_be_bytes());
    };
    // Eight bits of grey, no interlacing.
    let mut header = [(width as u32).to_be_bytes(), (height as u32).to_be_bytes()].concat();
    header.extend_from_slice(&[8, 0, 0, 0, 0]);
    chunk(b"IHDR", &header);
    let mut lines = ZlibEncoder::new(vec![], Compression::best());
    for line in pixels.chunks_exact(width) {
        lines.write_all(&[0])?;
        lines.write_all(line)?;
    }
    chunk(b"IDAT", &lines.finish()?);
    chunk(b"IEND", &[]);
    Ok(file)
}
