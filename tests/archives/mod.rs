//! Archives made for tests, byte by byte where honest software would not write them.
#![allow(dead_code)]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// The test file of anti-virus researchers, in two pieces so that this source is not taken for it.
pub(crate) fn eicar() -> Vec<u8> {
    let (one, two) = (
        "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD",
        "-ANTIVIRUS-TEST-FILE!$H+H*",
    );
    format!("{one}{two}").into_bytes()
}

/// The beginning of a program for Windows.
pub(crate) fn program() -> Vec<u8> {
    let mut bytes = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff".to_vec();
    bytes.resize(200, 0);
    bytes
}

/// A file of a ZIP archive, with what may be wrong with it.
#[derive(Clone, Default)]
pub(crate) struct Zipped {
    pub(crate) name: Vec<u8>,
    pub(crate) content: Vec<u8>,
    /// 0 is stored, 8 deflate, 12 bzip2, 14 LZMA, 93 Zstandard, 95 xz.
    pub(crate) method: u16,
    pub(crate) flags: u16,
    /// The name in the header before the file, where it differs.
    pub(crate) local_name: Option<Vec<u8>>,
    /// Left out of the list.
    pub(crate) unlisted: bool,
    /// Sizes behind the file and not in its header.
    pub(crate) descriptor: bool,
    /// The size that the list gives, where it lies.
    pub(crate) claimed: Option<u32>,
    pub(crate) extra: Vec<u8>,
    /// Mode of Unix.
    pub(crate) mode: u32,
}

impl Zipped {
    pub(crate) fn new(name: &str, content: &[u8]) -> Zipped {
        Zipped {
            name: name.as_bytes().to_vec(),
            content: content.to_vec(),
            method: 8,
            ..Zipped::default()
        }
    }

    fn packed(&self) -> Vec<u8> {
        let content = self.content.as_slice();
        match self.method {
            8 => deflated(content),
            12 => bzip2(content),
            14 => {
                let stream = lzma(content);
                // Properties stand behind a version and their length; the size is left out.
                let mut out = vec![9, 20, 5, 0];
                out.extend_from_slice(&stream[..5]);
                out.extend_from_slice(&stream[13..]);
                out
            }
            93 => zstd(content),
            95 => xz(content),
            _ => content.to_vec(),
        }
    }
}

pub(crate) fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A ZIP archive of these files.
pub(crate) fn zip(files: &[Zipped]) -> Vec<u8> {
    zip_behind(&[], files)
}

/// The same behind other data, to which its places refer as if it was not there.
pub(crate) fn zip_behind(before: &[u8], files: &[Zipped]) -> Vec<u8> {
    let mut out = before.to_vec();
    let mut list = Vec::new();
    let mut count = 0_u16;
    for file in files {
        let place = (out.len() - before.len()) as u32;
        let packed = file.packed();
        let crc = crc32(&file.content);
        let flags = file.flags | if file.descriptor { 8 } else { 0 };
        let size = file.claimed.unwrap_or(file.content.len() as u32);
        let local = file.local_name.as_ref().unwrap_or(&file.name);
        out.extend_from_slice(b"PK\x03\x04\x14\x00");
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&file.method.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        let sizes = [crc, packed.len() as u32, size];
        for value in sizes {
            let value = if file.descriptor { 0 } else { value };
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&(local.len() as u16).to_le_bytes());
        out.extend_from_slice(&(file.extra.len() as u16).to_le_bytes());
        out.extend_from_slice(local);
        out.extend_from_slice(&file.extra);
        out.extend_from_slice(&packed);
        if file.descriptor {
            out.extend_from_slice(b"PK\x07\x08");
            for value in sizes {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        if file.unlisted {
            continue;
        }
        count = count.saturating_add(1);
        list.extend_from_slice(b"PK\x01\x02\x14\x03\x14\x00");
        list.extend_from_slice(&flags.to_le_bytes());
        list.extend_from_slice(&file.method.to_le_bytes());
        list.extend_from_slice(&[0; 4]);
        for value in sizes {
            list.extend_from_slice(&value.to_le_bytes());
        }
        list.extend_from_slice(&(file.name.len() as u16).to_le_bytes());
        list.extend_from_slice(&(file.extra.len() as u16).to_le_bytes());
        list.extend_from_slice(&[0; 6]);
        list.extend_from_slice(&(file.mode << 16).to_le_bytes());
        list.extend_from_slice(&place.to_le_bytes());
        list.extend_from_slice(&file.name);
        list.extend_from_slice(&file.extra);
    }
    let start = (out.len() - before.len()) as u32;
    out.extend_from_slice(&list);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&(list.len() as u32).to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn xz(content: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A stream of LZMA utils: 5 bytes of properties, 8 of the size, data with an end mark.
pub(crate) fn lzma(content: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::LzmaOptions::with_preset(1);
    let mut encoder = lzma_rust2::LzmaWriter::new_use_header(Vec::new(), &options, None).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(content: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
}

pub(crate) fn sevenzip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = sevenz_rust2::ArchiveWriter::new(std::io::Cursor::new(Vec::new())).unwrap();
    for (name, content) in files {
        let entry = sevenz_rust2::ArchiveEntry::new_file(name);
        writer.push_archive_entry(entry, Some(*content)).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in files {
        if name.len() > 100 {
            out.extend_from_slice(&tar_header("././@LongLink", b'L', name.len()));
            pad(&mut out, name.as_bytes());
        }
        out.extend_from_slice(&tar_header(name, b'0', content.len()));
        pad(&mut out, content);
    }
    out.extend_from_slice(&[0; 1024]);
    out
}

fn pad(out: &mut Vec<u8>, content: &[u8]) {
    out.extend_from_slice(content);
    out.resize(out.len().div_ceil(512) * 512, 0);
}

pub(crate) fn tar_header(name: &str, kind: u8, size: usize) -> [u8; 512] {
    let mut header = [0; 512];
    let name = &name.as_bytes()[..name.len().min(100)];
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar  \0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// A RAR archive of version 4 with stored files; `bits` are those of the main header and of each file.
pub(crate) fn rar4(main: u16, files: &[(&str, &[u8], u16, u8)]) -> Vec<u8> {
    let mut out = b"Rar!\x1a\x07\x00".to_vec();
    let mut block = |kind: u8, bits: u16, body: &[u8], data: &[u8]| {
        let length = (7 + body.len()) as u16;
        let mut header = vec![kind];
        header.extend_from_slice(&bits.to_le_bytes());
        header.extend_from_slice(&length.to_le_bytes());
        header.extend_from_slice(body);
        out.extend_from_slice(&(crc32(&header) as u16).to_le_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(data);
    };
    block(0x73, main, &[0; 6], &[]);
    for (name, content, bits, method) in files {
        let mut body = Vec::new();
        body.extend_from_slice(&(content.len() as u32).to_le_bytes());
        body.extend_from_slice(&(content.len() as u32).to_le_bytes());
        body.push(2);
        body.extend_from_slice(&crc32(content).to_le_bytes());
        body.extend_from_slice(&[0, 0, 0, 0, 29, *method]);
        body.extend_from_slice(&(name.len() as u16).to_le_bytes());
        body.extend_from_slice(&[0x20, 0, 0, 0]);
        body.extend_from_slice(name.as_bytes());
        block(0x74, 0x8000 | bits, &body, content);
    }
    block(0x7b, 0x4000, &[], &[]);
    out
}

fn vint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (n & 0x7f) as u8;
        n >>= 7;
        if n == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

/// A RAR archive of version 5: name, content, packing (0 is stored), whether it is encrypted.
pub(crate) fn rar5(encrypted_list: bool, files: &[(&str, &[u8], u64, bool)]) -> Vec<u8> {
    let mut out = b"Rar!\x1a\x07\x01\x00".to_vec();
    let mut block = |kind: u64, fields: &[u8], extra: &[u8], data: &[u8]| {
        let bits = u64::from(!extra.is_empty()) | if data.is_empty() { 0 } else { 2 };
        let mut header = vint(kind);
        header.extend(vint(bits));
        if !extra.is_empty() {
            header.extend(vint(extra.len() as u64));
        }
        if !data.is_empty() {
            header.extend(vint(data.len() as u64));
        }
        header.extend_from_slice(fields);
        header.extend_from_slice(extra);
        let mut sized = vint(header.len() as u64);
        sized.extend_from_slice(&header);
        out.extend_from_slice(&crc32(&sized).to_le_bytes());
        out.extend_from_slice(&sized);
        out.extend_from_slice(data);
    };
    if encrypted_list {
        block(4, &[0, 1, 15], &[], &[]);
        out.extend_from_slice(&[0x5a; 64]);
        return out;
    }
    block(1, &[0], &[], &[]);
    for (name, content, packing, encrypted) in files {
        let mut fields = vint(0);
        fields.extend(vint(content.len() as u64));
        fields.extend(vint(0x20));
        fields.extend(vint(packing << 7));
        fields.extend(vint(0));
        fields.extend(vint(name.len() as u64));
        fields.extend_from_slice(name.as_bytes());
        let extra: &[u8] = if *encrypted { &[3, 1, 0, 0] } else { &[] };
        block(2, &fields, extra, content);
    }
    block(5, &[0], &[], &[]);
    out
}

/// An ISO 9660 image with one folder; with the names of Joliet where wanted.
pub(crate) fn iso(files: &[(&str, &[u8])], joliet: bool) -> Vec<u8> {
    const SECTOR: usize = 2048;
    let written = |name: &str| -> Vec<u8> {
        match joliet {
            true => name.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            false => format!("{};1", name.to_ascii_uppercase()).into_bytes(),
        }
    };
    let record = |name: &[u8], place: usize, size: usize, bits: u8| {
        let length = (33 + name.len()).next_multiple_of(2);
        let mut out = vec![0; length];
        out[0] = length as u8;
        out[2..6].copy_from_slice(&(place as u32).to_le_bytes());
        out[6..10].copy_from_slice(&(place as u32).to_be_bytes());
        out[10..14].copy_from_slice(&(size as u32).to_le_bytes());
        out[14..18].copy_from_slice(&(size as u32).to_be_bytes());
        out[25] = bits;
        out[32] = name.len() as u8;
        out[33..33 + name.len()].copy_from_slice(name);
        out
    };
    let root = 20;
    let mut folder = record(&[0], root, SECTOR, 2);
    folder.extend(record(&[1], root, SECTOR, 2));
    let mut data = Vec::new();
    for (name, content) in files {
        let place = root + 1 + data.len() / SECTOR;
        folder.extend(record(&written(name), place, content.len(), 0));
        data.extend_from_slice(content);
        data.resize(data.len().next_multiple_of(SECTOR), 0);
    }
    let mut image = vec![0; (root + 1) * SECTOR];
    let mut descriptor = |sector: usize, kind: u8, escape: &[u8]| {
        let at = sector * SECTOR;
        image[at] = kind;
        image[at + 1..at + 7].copy_from_slice(b"CD001\x01");
        image[at + 88..at + 88 + escape.len()].copy_from_slice(escape);
        let own = record(&[0], root, SECTOR, 2);
        image[at + 156..at + 156 + own.len()].copy_from_slice(&own);
    };
    descriptor(16, 1, b"");
    match joliet {
        true => descriptor(17, 2, b"%/E"),
        false => descriptor(17, 255, b""),
    }
    descriptor(18, 255, b"");
    image[root * SECTOR..root * SECTOR + folder.len()].copy_from_slice(&folder);
    image.extend_from_slice(&data);
    image
}

/// A FAT12 image with files in its root folder, each with a long name.
pub(crate) fn fat(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (sectors, roots) = (720_usize, 112_usize);
    let mut image = vec![0; sectors * 512];
    image[..3].copy_from_slice(&[0xeb, 0x3c, 0x90]);
    image[11..13].copy_from_slice(&512_u16.to_le_bytes());
    image[13] = 1;
    image[14] = 1;
    image[16] = 2;
    image[17..19].copy_from_slice(&(roots as u16).to_le_bytes());
    image[19..21].copy_from_slice(&(sectors as u16).to_le_bytes());
    image[22] = 3;
    image[54..62].copy_from_slice(b"FAT12   ");
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    let (table, root) = (512, 7 * 512);
    let data = root + roots * 32;
    let (mut cluster, mut record) = (2_usize, root);
    let set = |image: &mut Vec<u8>, cluster: usize, next: usize| {
        let at = table + cluster + cluster / 2;
        let pair = u16::from_le_bytes([image[at], image[at + 1]]);
        let pair = match cluster % 2 {
            0 => (pair & 0xf000) | next as u16,
            _ => (pair & 0x000f) | (next as u16) << 4,
        };
        image[at..at + 2].copy_from_slice(&pair.to_le_bytes());
    };
    for (name, content) in files {
        let units: Vec<u16> = name.encode_utf16().chain([0]).collect();
        let pieces: Vec<&[u16]> = units.chunks(13).collect();
        for (number, piece) in pieces.iter().enumerate().rev() {
            let mut long = [0xff_u8; 32];
            let last = number + 1 == pieces.len();
            long[0] = (number as u8 + 1) | if last { 0x40 } else { 0 };
            (long[11], long[12], long[13]) = (0x0f, 0, 0);
            long[26..28].fill(0);
            let places = (1..11)
                .step_by(2)
                .chain((14..26).step_by(2))
                .chain([28, 30]);
            for (unit, place) in piece.iter().zip(places) {
                long[place..place + 2].copy_from_slice(&unit.to_le_bytes());
            }
            image[record..record + 32].copy_from_slice(&long);
            record += 32;
        }
        let mut short = [0_u8; 32];
        short[..11].copy_from_slice(b"SHORT~1 BIN");
        short[26..28].copy_from_slice(&(cluster as u16).to_le_bytes());
        short[28..32].copy_from_slice(&(content.len() as u32).to_le_bytes());
        image[record..record + 32].copy_from_slice(&short);
        record += 32;
        let clusters: Vec<&[u8]> = content.chunks(512).collect();
        for (number, piece) in clusters.iter().enumerate() {
            let at = data + (cluster - 2) * 512;
            image[at..at + piece.len()].copy_from_slice(piece);
            let next = if number + 1 == clusters.len() {
                0xfff
            } else {
                cluster + 1
            };
            set(&mut image, cluster, next);
            cluster += 1;
        }
    }
    image
}

pub(crate) fn cab(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = cab::CabinetBuilder::new();
    let folder = builder.add_folder(cab::CompressionType::MsZip);
    for (name, _) in files {
        folder.add_file(*name);
    }
    let mut writer = builder.build(std::io::Cursor::new(Vec::new())).unwrap();
    let mut contents = files.iter();
    while let Some(mut file) = writer.next_file().unwrap() {
        file.write_all(contents.next().unwrap().1).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// `winmail.dat` with one attachment for each; the long name stands in its properties.
pub(crate) fn tnef(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"\x78\x9f\x3e\x22\x01\x00".to_vec();
    let mut attribute = |id: u32, data: &[u8]| {
        out.push(2);
        out.extend_from_slice(&id.to_le_bytes());
        out.extend_from_slice(&(data.len() as u32).to_le_bytes());
        out.extend_from_slice(data);
        let sum: u16 = data
            .iter()
            .fold(0, |s: u16, b| s.wrapping_add(u16::from(*b)));
        out.extend_from_slice(&sum.to_le_bytes());
    };
    for (name, content) in files {
        attribute(0x0006_9002, &[0; 14]);
        attribute(0x0001_8010, b"SHORT~1.DAT\0");
        attribute(0x0006_800f, content);
        let units: Vec<u8> = name
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
        let mut properties = 1_u32.to_le_bytes().to_vec();
        properties.extend_from_slice(&[0x1f, 0, 0x07, 0x37, 1, 0, 0, 0]);
        properties.extend_from_slice(&(units.len() as u32).to_le_bytes());
        properties.extend_from_slice(&units);
        properties.resize(properties.len().next_multiple_of(4), 0);
        attribute(0x0006_9005, &properties);
    }
    out
}

/// A message with these attachments, base64.
pub(crate) fn message(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = String::from(
        "From: a@example.com\r\nTo: b@example.org\r\nSubject: files\r\nDate: Tue, 01 Sep 2026 09:30:00 +0000\r\n\
         Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=bound\r\n\r\n\
         --bound\r\nContent-Type: text/plain\r\n\r\nSee attached.\r\n",
    );
    for (name, content) in files {
        let name: String = name.bytes().map(|b| format!("%{b:02X}")).collect();
        out.push_str(&format!(
            "--bound\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename*=utf-8''{name}\r\n\r\n"
        ));
        let encoded = data_encoding::BASE64.encode(content);
        for line in encoded.as_bytes().chunks(76) {
            out.push_str(std::str::from_utf8(line).unwrap());
            out.push_str("\r\n");
        }
    }
    out.push_str("--bound--\r\n");
    out.into_bytes()
}
