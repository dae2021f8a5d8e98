//! Small pictures: a page has few colours, so each dot is an index into a table of them.

use std::{collections::HashMap, io::Cursor};

use anyhow::{Result, ensure};

type Colour = [u8; 3];

/// The same PNG with a palette of its 256 most frequent colours; the rare ones at the edges of letters become the
/// nearest of them.
pub(super) fn reduce(picture: &[u8]) -> Result<Vec<u8>> {
    let mut reader = png::Decoder::new(Cursor::new(picture)).read_info()?;
    let mut dots = vec![0; reader.output_buffer_size().unwrap_or_default()];
    let info = reader.next_frame(&mut dots)?;
    ensure!(info.bit_depth == png::BitDepth::Eight, "8 bits a channel");
    let dots: Vec<Colour> = dots[..info.buffer_size()]
        .chunks_exact(info.color_type.samples())
        .map(|dot| [dot[0], dot[1], dot[2]])
        .collect();
    let palette = most_frequent(&dots);
    let mut known = HashMap::new();
    let mut indices = Vec::with_capacity(dots.len());
    for run in dots.chunk_by(PartialEq::eq) {
        let index = *known.entry(run[0]).or_insert_with(|| nearest(&palette, run[0]));
        indices.resize(indices.len() + run.len(), index);
    }
    encode(info.width, info.height, &palette, &indices)
}

fn most_frequent(dots: &[Colour]) -> Vec<Colour> {
    let mut counts: HashMap<Colour, usize> = HashMap::new();
    // Most of a page is of one colour: there are far fewer runs than dots.
    for run in dots.chunk_by(PartialEq::eq) {
        *counts.entry(run[0]).or_default() += run.len();
    }
    let mut colours: Vec<Colour> = counts.keys().copied().collect();
    // The colour itself decides between equals, so that the same picture makes the same file.
    colours.sort_by_key(|colour| (std::cmp::Reverse(counts[colour]), *colour));
    colours.truncate(256);
    colours
}

fn nearest(palette: &[Colour], dot: Colour) -> u8 {
    let distance = |colour: &Colour| -> u32 { (0..3).map(|i| u32::from(colour[i].abs_diff(dot[i])).pow(2)).sum() };
    let best = (0_u8..=255).zip(palette).min_by_key(|(_, colour)| distance(colour));
    best.map_or(0, |(index, _)| index)
}

fn encode(width: u32, height: u32, palette: &[Colour], indices: &[u8]) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    encoder.write_header()?.write_image_data(indices)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_few_colours_keeps_each_dot() {
        let dots: Vec<Colour> = (0..64_u8).map(|i| [i, 255 - i, 7]).collect();
        let mut picture = Vec::new();
        let mut encoder = png::Encoder::new(&mut picture, 8, 8);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&dots.concat()).unwrap();
        let mut decoder = png::Decoder::new(Cursor::new(reduce(&picture).unwrap()));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut back = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut back).unwrap();
        assert_eq!(back, dots.concat());
    }
}
