//! DSSE: a payload, its type, and a signature over both.

use super::Error;
use crate::log::{SigningKey, VerifyingKey};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};

/// The payload type of in-toto statements.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

/// Pre-authentication encoding (DSSE v1): `DSSEv1 SP len(type) SP type SP len(body) SP body`.
pub(super) fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The payload in its envelope, signed: one line of JSON.
pub(super) fn seal(payload: &[u8], key: &SigningKey) -> Vec<u8> {
    let signature = key.sign_bytes(&pae(PAYLOAD_TYPE, payload));
    to_bytes(&Envelope {
        payload_type: PAYLOAD_TYPE.into(),
        payload: BASE64_STANDARD.encode(payload),
        signatures: vec![Signature { keyid: key.verifying_key().to_string(), sig: BASE64_STANDARD.encode(signature) }],
    })
}

/// The payload, if `key` signed it and the envelope is in the one form that [`seal`] writes: so that no byte of the file is unaccounted for.
pub(super) fn open(bytes: &[u8], key: &VerifyingKey) -> Result<Vec<u8>, Error> {
    let wrong = |why| Error::Envelope { why };
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(|_| wrong("it is not a DSSE envelope"))?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(wrong("its payload has another type"));
    }
    let [signature] = &envelope.signatures[..] else { return Err(wrong("it does not hold exactly one signature")) };
    if to_bytes(&envelope) != bytes {
        return Err(wrong("it is not written in its one canonical form"));
    }
    let payload = BASE64_STANDARD.decode(&envelope.payload).map_err(|_| wrong("its payload is not base64"))?;
    let bad = || Error::BadSignature { name: key.name().to_owned() };
    if signature.keyid != key.to_string() {
        return Err(bad());
    }
    let sig = BASE64_STANDARD.decode(&signature.sig).map_err(|_| wrong("its signature is not base64"))?;
    let sig = <&[u8; 64]>::try_from(&sig[..]).map_err(|_| wrong("its signature does not hold 64 bytes"))?;
    if key.accepts_bytes(&pae(PAYLOAD_TYPE, &payload), sig) { Ok(payload) } else { Err(bad()) }
}

fn to_bytes(envelope: &Envelope) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(envelope).expect("plain data has JSON");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the DSSE protocol description, v1.
    #[test]
    fn the_published_encoding_is_reproduced() {
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    }
}
