//! Grey images in a grid as one PNG inside a page.

use base64::Engine;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::Write;

/// Pixels between images.
const GAP: usize = 2;

/// `rows[row][column]` of images with `side` × `side` values, −1 white to 1 black, as `data:image/png;base64,…`.
pub(crate) fn grid(rows: &[Vec<Vec<f64>>], side: usize) -> std::io::Result<String> {
    let (pixels, width, height) = pixels(rows, side);
    let file = png(&pixels, width, height)?;
    Ok(format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(file)))
}

/// Grey values, row by row, with the width and height of the whole.
fn pixels(rows: &[Vec<Vec<f64>>], side: usize) -> (Vec<u8>, usize, usize) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let (width, height) = (columns * (side + GAP) + GAP, rows.len() * (side + GAP) + GAP);
    let mut pixels = vec![255_u8; width * height];
    for (row, images) in rows.iter().enumerate() {
        for (column, image) in images.iter().enumerate() {
            for (at, value) in image.iter().enumerate().take(side * side) {
                let (y, x) = (row * (side + GAP) + GAP + at / side, column * (side + GAP) + GAP + at % side);
                pixels[y * width + x] = (127.5 * (1.0 - value.clamp(-1.0, 1.0))) as u8;
            }
        }
    }
    (pixels, width, height)
}

fn png(pixels: &[u8], width: usize, height: usize) -> std::io::Result<Vec<u8>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// Read back chunk by chunk: an image of 2 × 2 left above, one right below.
    #[test]
    fn the_file_holds_the_pixels() {
        let picture = grid(&[vec![vec![1.0, -1.0, 0.0, 5.0]], vec![vec![], vec![-1.0, 1.0, 1.0, 1.0]]], 2).unwrap();
        let file = base64::engine::general_purpose::STANDARD.decode(picture.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let (mut at, mut found) = (8, std::collections::BTreeMap::new());
        while at < file.len() {
            let length = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
            found.insert(String::from_utf8(file[at + 4..at + 8].to_vec()).unwrap(), file[at + 8..at + 8 + length].to_vec());
            at += length + 12;
        }
        assert_eq!(found["IHDR"], [0, 0, 0, 10, 0, 0, 0, 10, 8, 0, 0, 0, 0]);
        let mut lines = vec![];
        flate2::read::ZlibDecoder::new(&found["IDAT"][..]).read_to_end(&mut lines).unwrap();
        let at = |x: usize, y: usize| lines[y * 11 + 1 + x];
        assert_eq!([at(2, 2), at(3, 2), at(2, 3), at(3, 3)], [0, 255, 127, 0]);
        assert_eq!([at(6, 6), at(7, 6), at(6, 7), at(7, 7), at(6, 2)], [255, 0, 0, 0, 255]);
    }
}
