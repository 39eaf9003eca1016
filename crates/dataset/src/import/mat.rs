//! Level-5 MAT-files, as MATLAB up to R2006a and SciPy write them: the arrays that annotations are made of.
//!
//! Format: MathWorks, "MAT-File Format", the chapter on level 5. Read are numbers, text, cells and struct
//! arrays, compressed or not, of either byte order; anything else becomes [`Value::Other`]. Every length in
//! the file is checked against what is there before anything is allocated for it.

use std::io::Read;

use flate2::read::ZlibDecoder;

/// Variables may inflate to this in all: annotations of tens of thousands of images take some 10 MB.
const MAX_INFLATED: u64 = 64 << 20;
/// Arrays inside arrays.
const MAX_DEPTH: usize = 8;
const HEADER: usize = 128;

/// What the numbers of a data element are.
mod mi {
    pub const INT8: u32 = 1;
    pub const UINT8: u32 = 2;
    pub const INT16: u32 = 3;
    pub const UINT16: u32 = 4;
    pub const INT32: u32 = 5;
    pub const UINT32: u32 = 6;
    pub const SINGLE: u32 = 7;
    pub const DOUBLE: u32 = 9;
    pub const INT64: u32 = 12;
    pub const UINT64: u32 = 13;
    pub const MATRIX: u32 = 14;
    pub const COMPRESSED: u32 = 15;
    pub const UTF8: u32 = 16;
    pub const UTF16: u32 = 17;
}

/// What an array is an array of.
mod mx {
    pub const CELL: u32 = 1;
    pub const STRUCT: u32 = 2;
    pub const CHAR: u32 = 4;
    pub const DOUBLE: u32 = 6;
    pub const UINT64: u32 = 15;
}

/// An array, its elements in MATLAB's order: the first index runs fastest.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Numbers(Vec<f64>),
    /// The characters of a row.
    Text(String),
    Cells(Vec<Value>),
    /// A struct array: every element has every field.
    Structs {
        fields: Vec<String>,
        elements: Vec<Vec<Value>>,
    },
    /// Something an annotation does not consist of.
    Other,
}

/// A file that is no MAT-file of level 5, or a damaged one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MatError(String);

fn wrong<T>(what: impl Into<String>) -> Result<T, MatError> {
    Err(MatError(what.into()))
}

/// The variables of a file, by name, in its order.
///
/// # Errors
/// The bytes are no level-5 MAT-file, or lengths in it do not add up.
pub fn read(bytes: &[u8]) -> Result<Vec<(String, Value)>, MatError> {
    if bytes.starts_with(b"\x89HDF") || bytes.get(512..516) == Some(b"\x89HDF") {
        return wrong("a MAT-file of version 7.3; want one saved with -v7");
    }
    let (Some(header), Some(body)) = (bytes.get(..HEADER), bytes.get(HEADER..)) else {
        return wrong("too short for a MAT-file");
    };
    let big_endian = match &header[126..] {
        b"IM" => false,
        b"MI" => true,
        _ => return wrong("no MAT-file of level 5: its header does not end in IM or MI"),
    };
    let mut file = Reader {
        left: body,
        big_endian,
    };
    let mut variables = Vec::new();
    let mut room = MAX_INFLATED;
    while !file.left.is_empty() {
        let element = file.element()?;
        match element.kind {
            mi::COMPRESSED => {
                let mut inflated = Vec::new();
                ZlibDecoder::new(element.data)
                    .take(room + 1)
                    .read_to_end(&mut inflated)
                    .or_else(|error| wrong(format!("a compressed variable is damaged: {error}")))?;
                let Some(left) = room.checked_sub(inflated.len() as u64) else {
                    return wrong("its variables inflate to more than 64 MB");
                };
                room = left;
                let inner = Reader {
                    left: &inflated,
                    big_endian,
                }
                .element()?;
                if inner.kind == mi::MATRIX {
                    variables.push(array(inner.data, big_endian, 0)?);
                }
            }
            mi::MATRIX => variables.push(array(element.data, big_endian, 0)?),
            // Not an array: nothing an annotation refers to.
            _ => {}
        }
    }
    Ok(variables)
}

/// A tag and the bytes it announces.
struct Element<'a> {
    kind: u32,
    data: &'a [u8],
}

struct Reader<'a> {
    left: &'a [u8],
    big_endian: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n_bytes: usize) -> Result<&'a [u8], MatError> {
        match self.left.split_at_checked(n_bytes) {
            Some((taken, left)) => {
                self.left = left;
                Ok(taken)
            }
            None => wrong(format!(
                "cut short: {n_bytes} bytes announced, {} there",
                self.left.len()
            )),
        }
    }

    fn word(&mut self) -> Result<u32, MatError> {
        let bytes = self.take(4)?.try_into().expect("four bytes were taken");
        Ok(match self.big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        })
    }

    /// The next element. Elements of up to four bytes stand inside their tag; others are padded to eight
    /// bytes, except compressed ones.
    fn element(&mut self) -> Result<Element<'a>, MatError> {
        let tag = self.word()?;
        let (kind, small) = (tag & 0xffff, (tag >> 16) as usize);
        if small > 0 {
            let data = self.take(4)?;
            return match data.get(..small) {
                Some(data) => Ok(Element { kind, data }),
                None => wrong(format!("a small element announces {small} bytes")),
            };
        }
        let n_bytes = self.word()? as usize;
        let data = self.take(n_bytes)?;
        if kind != mi::COMPRESSED {
            let padding = n_bytes.next_multiple_of(8) - n_bytes;
            // The last element of an array may come without its padding.
            self.left = &self.left[padding.min(self.left.len())..];
        }
        Ok(Element { kind, data })
    }

    fn numbers(&mut self) -> Result<Vec<f64>, MatError> {
        let element = self.element()?;
        numbers(&element, self.big_endian)
    }
}

/// The array of a matrix element: its name and what it holds.
fn array(data: &[u8], big_endian: bool, depth: usize) -> Result<(String, Value), MatError> {
    if depth > MAX_DEPTH {
        return wrong("arrays are nested too deep");
    }
    if data.is_empty() {
        // What a field that was never assigned looks like.
        return Ok((String::new(), Value::Numbers(Vec::new())));
    }
    let mut reader = Reader {
        left: data,
        big_endian,
    };
    let flags = reader.numbers()?;
    let class = flags.first().map_or(0, |flags| *flags as u32 & 0xff);
    let dimensions = reader.numbers()?;
    let name = ascii(reader.element()?.data)?;
    let n_elements = n_elements(&dimensions)?;
    let value = match class {
        mx::CELL => {
            let mut cells = Vec::new();
            for _ in 0..n_elements {
                cells.push(inner(&mut reader, depth)?);
            }
            Value::Cells(cells)
        }
        mx::STRUCT => {
            let name_length = reader.numbers()?.first().map_or(0, |n| *n as usize);
            let names = reader.element()?.data;
            if name_length == 0 {
                return wrong("a struct whose field names have no length");
            }
            let fields = names
                .chunks(name_length)
                .map(ascii)
                .collect::<Result<Vec<_>, _>>()?;
            if fields.is_empty() && n_elements > 0 {
                return Ok((name, Value::Other));
            }
            let mut elements = Vec::new();
            for _ in 0..n_elements {
                let values = fields.iter().map(|_| inner(&mut reader, depth));
                elements.push(values.collect::<Result<Vec<_>, _>>()?);
            }
            Value::Structs { fields, elements }
        }
        mx::CHAR => Value::Text(text(&reader.element()?, big_endian)?),
        mx::DOUBLE..=mx::UINT64 => {
            let found = reader.numbers()?;
            if found.len() != n_elements {
                return wrong(format!(
                    "array {name:?} has {n_elements} elements and {} numbers",
                    found.len()
                ));
            }
            Value::Numbers(found)
        }
        _ => Value::Other,
    };
    Ok((name, value))
}

/// An array inside another; it has no name.
fn inner(reader: &mut Reader<'_>, depth: usize) -> Result<Value, MatError> {
    let element = reader.element()?;
    match element.kind {
        mi::MATRIX => Ok(array(element.data, reader.big_endian, depth + 1)?.1),
        kind => wrong(format!(
            "an element of type {kind} where an array should be"
        )),
    }
}

fn n_elements(dimensions: &[f64]) -> Result<usize, MatError> {
    let mut sides = dimensions.iter().map(|&side| side as usize);
    let product = sides.try_fold(1_usize, usize::checked_mul);
    product.map_or_else(|| wrong("an array with more elements than fit"), Ok)
}

fn numbers(element: &Element<'_>, big_endian: bool) -> Result<Vec<f64>, MatError> {
    fn each<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        let chunks = data.chunks_exact(N);
        chunks
            .map(|chunk| number(chunk.try_into().expect("chunks are N bytes")))
            .collect()
    }
    macro_rules! numbers {
        ($kind:ty) => {
            each(element.data, |bytes| match big_endian {
                true => <$kind>::from_be_bytes(bytes) as f64,
                false => <$kind>::from_le_bytes(bytes) as f64,
            })
        };
    }
    Ok(match element.kind {
        mi::INT8 => numbers!(i8),
        mi::UINT8 => numbers!(u8),
        mi::INT16 => numbers!(i16),
        mi::UINT16 => numbers!(u16),
        mi::INT32 => numbers!(i32),
        mi::UINT32 => numbers!(u32),
        mi::SINGLE => numbers!(f32),
        mi::DOUBLE => numbers!(f64),
        mi::INT64 => numbers!(i64),
        mi::UINT64 => numbers!(u64),
        kind => return wrong(format!("numbers of the unknown type {kind}")),
    })
}

/// Text is stored as UTF-8, or as 16-bit units whatever they are called.
fn text(element: &Element<'_>, big_endian: bool) -> Result<String, MatError> {
    let text = match element.kind {
        mi::UTF8 | mi::INT8 | mi::UINT8 => String::from_utf8(element.data.to_vec()).ok(),
        mi::UINT16 | mi::UTF16 => {
            let units = element.data.chunks_exact(2).map(|unit| {
                let unit = unit.try_into().expect("chunks are two bytes");
                match big_endian {
                    true => u16::from_be_bytes(unit),
                    false => u16::from_le_bytes(unit),
                }
            });
            String::from_utf16(&units.collect::<Vec<_>>()).ok()
        }
        kind => return wrong(format!("text of the unknown type {kind}")),
    };
    text.map_or_else(|| wrong("text that is neither UTF-8 nor UTF-16"), Ok)
}

/// A name, cut at its first zero byte.
fn ascii(bytes: &[u8]) -> Result<String, MatError> {
    let end = bytes.iter().position(|&byte| byte == 0);
    match std::str::from_utf8(&bytes[..end.unwrap_or(bytes.len())]) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => wrong("a name that is not ASCII"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    const LITTLE: bool = false;
    const BIG: bool = true;

    fn word(n: usize, big: bool) -> [u8; 4] {
        let n = n as u32;
        if big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }

    fn element(kind: u32, data: &[u8], big: bool) -> Vec<u8> {
        let mut bytes = [word(kind as usize, big), word(data.len(), big)].concat();
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    /// A 1 x n array of a class, with the given content after its name.
    fn matrix(class: u32, n: usize, name: &str, content: &[u8], big: bool) -> Vec<u8> {
        let flags = [word(class as usize, big), word(0, big)].concat();
        let dimensions = [word(1, big), word(n, big)].concat();
        let parts = [
            element(mi::UINT32, &flags, big),
            element(mi::INT32, &dimensions, big),
            element(mi::INT8, name.as_bytes(), big),
            content.to_vec(),
        ];
        element(mi::MATRIX, &parts.concat(), big)
    }

    fn file(body: &[u8], big: bool) -> Vec<u8> {
        let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
        bytes.resize(124, b' ');
        bytes.extend(if big { *b"\x01\0MI" } else { *b"\0\x01IM" });
        bytes.extend(body);
        bytes
    }

    #[test]
    fn both_byte_orders_are_read() {
        for big in [LITTLE, BIG] {
            let small = if big { [0, 4, 0, 2] } else { [2, 0, 4, 0] };
            // MATLAB stores doubles that are small whole numbers as bytes, here inside their tag.
            let content = [small.as_slice(), &[7, 8, 9, 200]].concat();
            let read = read(&file(&matrix(mx::DOUBLE, 4, "x", &content, big), big)).unwrap();
            let numbers = Value::Numbers(vec![7.0, 8.0, 9.0, 200.0]);
            assert_eq!(read, [("x".to_owned(), numbers)]);
        }
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        let check = |bytes: &[u8], part: &str| {
            let said = read(bytes).unwrap_err().to_string();
            assert!(said.contains(part), "{said:?} does not say {part:?}");
        };
        check(b"too short", "too short");
        check(&[0; 200], "does not end in IM or MI");
        let hdf = [b"\x89HDF\r\n\x1a\n".as_slice(), &[0; 600]].concat();
        check(&hdf, "-v7");
        let whole = file(
            &matrix(6, 2, "x", &element(mi::DOUBLE, &[0; 16], LITTLE), LITTLE),
            LITTLE,
        );
        check(&whole[..whole.len() - 8], "cut short");
        let few = element(mi::DOUBLE, &[0; 8], LITTLE);
        check(
            &file(&matrix(6, 2, "x", &few, LITTLE), LITTLE),
            "2 elements and 1 numbers",
        );
        let damaged = element(mi::COMPRESSED, &[1, 2, 3, 4, 5, 6, 7, 8], LITTLE);
        check(&file(&damaged, LITTLE), "compressed variable is damaged");
        // Twice half of what is allowed, and a little.
        let zeros = element(mi::UINT8, &vec![0; (MAX_INFLATED / 2) as usize], LITTLE);
        let half = matrix(99, (MAX_INFLATED / 2) as usize, "x", &zeros, LITTLE);
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&half).unwrap();
        let packed = packed.finish().unwrap();
        // These alone are not filled up to eight bytes.
        let tag = [mi::COMPRESSED as usize, packed.len()].map(|n| word(n, LITTLE));
        let twice = [tag.concat(), packed].concat().repeat(2);
        check(&file(&twice, LITTLE), "inflate to more than 64 MB");
        // Announces two thousand million cells and holds none.
        let huge = matrix(mx::CELL, i32::MAX as usize, "x", &[], LITTLE);
        check(&file(&huge, LITTLE), "cut short");
    }
}
