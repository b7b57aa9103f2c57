//! What tells weights from all others.

use sha2::{Digest, Sha256};

use crate::{Tensor, Weights};

impl Weights {
    /// SHA-256 of names, shapes and the bits of the values, and of the metadata, in hexadecimal.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        let count = |n: usize| (n as u64).to_le_bytes();
        hash.update(count(self.tensors.len()));
        for (name, Tensor { shape, values }) in &self.tensors {
            hash.update(count(name.len()));
            hash.update(name);
            hash.update(count(shape.len()));
            shape.iter().for_each(|&side| hash.update(count(side)));
            for values in values.chunks(1024) {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                hash.update(bytes);
            }
        }
        for text in self.metadata.iter().flat_map(|(key, value)| [key, value]) {
            hash.update(count(text.len()));
            hash.update(text);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn weights(name: &str, shape: &[usize], values: &[f32], note: &str) -> Weights {
        let tensor = Tensor { shape: shape.to_vec(), values: values.to_vec() };
        Weights {
            tensors: BTreeMap::from([(name.to_owned(), tensor)]),
            metadata: BTreeMap::from([("note".to_owned(), note.to_owned())]),
        }
    }

    #[test]
    fn whatever_changes_changes_the_digest() {
        let all = [
            weights("a", &[2], &[0.0, 1.0], ""),
            weights("b", &[2], &[0.0, 1.0], ""),
            weights("a", &[2, 1], &[0.0, 1.0], ""),
            weights("a", &[2], &[-0.0, 1.0], ""),
            weights("a", &[2], &[0.0, f32::from_bits(1.0_f32.to_bits() ^ 1)], ""),
            weights("a", &[2], &[0.0, 1.0], "epoch 2"),
            Weights::default(),
        ];
        let mut digests = all.each_ref().map(Weights::sha256).to_vec();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), all.len());
    }

    #[test]
    fn a_file_keeps_the_digest() {
        let weights = weights("a", &[3], &[f32::MIN_POSITIVE / 2.0, -0.0, 1.0], "epoch 2");
        let again = Weights::from_safetensors(&weights.to_safetensors()).unwrap();
        assert_eq!(again.sha256(), weights.sha256());
    }

    /// By Python: `hashlib.sha256(struct.pack('<Q', 1) + ...)`, part by part as above.
    #[test]
    fn the_digest_of_one_tensor() {
        let digest = weights("a", &[2], &[0.0, 1.0], "x").sha256();
        assert_eq!(digest, "263b6b5126e2bf9ac736b8d5705504f3a75f4fe0d49f20c8e81b3807cc649667");
    }
}
