use proptest::prelude::*;

use super::*;
use crate::{Array, Pickle};

/// `pickle.dumps({'data': numpy.arange(6, dtype=numpy.uint8).reshape(2, 3), 'labels': [1, 2]}, 4)`,
/// NumPy 2.4.6.
const PROTOCOL_4: &[u8] = b"\x80\x04\x95\xad\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x04data\x94\x8c\
    \x16numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray\x94\
    \x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01K\x02K\x03\x86\x94h\x05\x8c\x05dtype\x94\x93\x94\
    \x8c\x02u1\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01|\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\
    \x94b\x89C\x06\x00\x01\x02\x03\x04\x05\x94t\x94b\x8c\x06labels\x94]\x94(K\x01K\x02eu.";

/// The same in protocol 2.
const PROTOCOL_2: &[u8] = b"\x80\x02}q\x00(X\x04\x00\x00\x00dataq\x01cnumpy._core.multiarray\n\
    _reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04c_codecs\nencode\nq\x05X\x01\x00\x00\x00b\
    q\x06X\x06\x00\x00\x00latin1q\x07\x86q\x08Rq\t\x87q\nRq\x0b(K\x01K\x02K\x03\x86q\x0ccnumpy\ndtype\n\
    q\rX\x02\x00\x00\x00u1q\x0e\x89\x88\x87q\x0fRq\x10(K\x03X\x01\x00\x00\x00|q\x11NNNJ\xff\xff\xff\xff\
    J\xff\xff\xff\xffK\x00tq\x12b\x89h\x05X\x06\x00\x00\x00\x00\x01\x02\x03\x04\x05q\x13h\x07\x86q\x14R\
    q\x15tq\x16bX\x06\x00\x00\x00labelsq\x17]q\x18(K\x01K\x02eu.";

#[test]
fn arrays_of_both_protocols_are_read() {
    for bytes in [PROTOCOL_2, PROTOCOL_4] {
        let pickle = Pickle::read(bytes).unwrap();
        let data = pickle.root().get("data").unwrap();
        let (shape, element) = (&[2, 3][..], Element::Unsigned(1));
        assert_eq!(data.array(), Some(Array { shape, element, bytes: &[0, 1, 2, 3, 4, 5] }));
        assert_eq!(pickle.root().get("labels").unwrap().numbers(), Some(vec![1.0, 2.0]));
    }
}

#[track_caller]
fn refused(bytes: &[u8], at: usize, fault: Fault) {
    assert_eq!(Pickle::read(bytes).map(drop), Err(PickleError { at, fault }));
}

#[test]
fn what_could_execute_is_refused_by_name() {
    let fault = |module: &str, name: &str| {
        let (module, name) = (module.to_owned(), name.to_owned());
        Fault::Global { module, name }
    };
    refused(b"cos\nsystem\n(X\x02\x00\x00\x00lstR.", 0, fault("os", "system"));
    refused(b"\x8c\x08builtins\x8c\x04eval\x93.", 16, fault("builtins", "eval"));
    // INST, OBJ, NEWOBJ, EXT1, PERSID and what is no instruction.
    for code in [b'i', b'o', 0x81, 0x82, b'P', 0xff] {
        refused(&[code], 0, Fault::Instruction(code));
    }
}

#[test]
fn broken_programs_are_refused_at_their_byte() {
    refused(b"", 0, Fault::Truncated);
    refused(b"N", 1, Fault::Truncated);
    refused(b"X\xff\xff\xff\xffab", 0, Fault::Truncated);
    refused(b".", 0, Fault::Operands);
    refused(b"(.", 1, Fault::Operands);
    refused(b"N(N\x86.", 3, Fault::Operands);
    refused(b"h\x00.", 0, Fault::Memo(0));
    refused(b"\x8c\x01\xff.", 0, Fault::Text);
    refused(b"}(NNNu.", 5, Fault::Operands);
    refused(b"NNa.", 2, Fault::Operands);
    // Three bytes are no array of two by two.
    let short = PROTOCOL_4.windows(2).position(|pair| pair == b"K\x03").unwrap() + 1;
    let mut bytes = PROTOCOL_4.to_vec();
    bytes[short] = 2;
    assert_eq!(Pickle::read(&bytes).map(drop).unwrap_err().fault, Fault::Operands);
}

#[test]
fn numbers_by_hand() {
    let number = |bytes: &[u8]| Pickle::read(bytes).unwrap().root().number();
    assert_eq!(number(b"M\x01\x02."), Some(513.0));
    assert_eq!(number(b"J\xfe\xff\xff\xff."), Some(-2.0));
    assert_eq!(number(b"\x8a\x01\xff."), Some(-1.0));
    assert_eq!(number(b"\x8a\x02\xff\x00."), Some(255.0));
    assert_eq!(number(b"\x8a\x00."), Some(0.0));
    let scalar = |element: Element, bytes: &[u8]| element.scalar(bytes).unwrap();
    assert_eq!(scalar(Element::Signed(2), &[0xfe, 0xff]), Value::Integer(-2));
    assert_eq!(scalar(Element::Unsigned(2), &[0xfe, 0xff]), Value::Integer(65_534));
    assert_eq!(scalar(Element::Float(4), &1.5_f32.to_le_bytes()), Value::Float(1.5));
}

/// A text that is encoded four times makes more bytes than the pickle has.
#[test]
fn pickles_do_not_grow() {
    let mut bytes = b"c_codecs\nencode\nq\x00X\x80\x00\x00\x00".to_vec();
    bytes.extend([b'a'; 128]);
    bytes.extend(b"q\x01N\x86R");
    let once = bytes.len();
    for _ in 0..3 {
        bytes.extend(b"h\x00h\x01N\x86R");
    }
    bytes.push(b'.');
    let error = Pickle::read(&bytes).map(drop).unwrap_err();
    assert_eq!(error.fault, Fault::Operands);
    assert!(once < error.at);
}

/// A tuple of many dimensions, used over and over, would be copied each time.
#[test]
fn long_tuples_are_not_copied() {
    let mut bytes = b"cnumpy\ndtype\n(".to_vec();
    bytes.extend([b'N'; 65]);
    bytes.extend(b"tR.");
    assert_eq!(Pickle::read(&bytes).map(drop).unwrap_err().fault, Fault::Operands);
}

/// `{'labels': numpy.uint8(65)}` as Python 2 writes it.
#[test]
fn texts_of_python_2_are_texts() {
    let bytes =
        b"\x80\x02}U\x06labelscnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02u1K\0K\x01\
        \x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tbU\x01A\x86Rs.";
    let pickle = Pickle::read(bytes).unwrap();
    assert_eq!(pickle.root().get("labels").and_then(|label| label.integer()), Some(65));
}

/// A list that holds itself is read, and looked at one step at a time.
#[test]
fn cycles_are_no_trouble() {
    let pickle = Pickle::read(b"]\x94h\x00a.").unwrap();
    let inner = pickle.root().members().unwrap().next().unwrap();
    assert_eq!(inner.members().unwrap().len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(Pickle::read(&bytes));
    }

    #[test]
    fn a_changed_byte_is_read_or_refused(at in 0..PROTOCOL_4.len(), byte: u8) {
        let mut bytes = PROTOCOL_4.to_vec();
        bytes[at] = byte;
        drop(Pickle::read(&bytes));
    }
}
