//! A detached CMS signature (RFC 5652) with one signer and without signed attributes, as rdpsign.exe makes it: the
//! signature is over the content itself.

use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::X509Certificate;
use yasna::models::{ObjectIdentifier, TaggedDerValue};
use yasna::tags::TAG_INTEGER;
use yasna::{DERWriter, Tag, construct_der};

/// id-data, RFC 5652 section 4.
const DATA: [u64; 7] = [1, 2, 840, 113549, 1, 7, 1];
/// id-signedData, RFC 5652 section 5.1.
const SIGNED_DATA: [u64; 7] = [1, 2, 840, 113549, 1, 7, 2];
/// id-sha256, RFC 5754 section 2.2.
const SHA256: [u64; 9] = [2, 16, 840, 1, 101, 3, 4, 2, 1];
/// id-sha384, RFC 5754 section 2.3.
const SHA384: [u64; 9] = [2, 16, 840, 1, 101, 3, 4, 2, 2];
/// rsaEncryption, RFC 5754 section 3.2.
const RSA: [u64; 7] = [1, 2, 840, 113549, 1, 1, 1];
/// ecdsa-with-SHA256, RFC 5754 section 3.3.
const ECDSA_SHA256: [u64; 7] = [1, 2, 840, 10045, 4, 3, 2];
/// ecdsa-with-SHA384, RFC 5754 section 3.3.
const ECDSA_SHA384: [u64; 7] = [1, 2, 840, 10045, 4, 3, 3];

/// Of SignedData as of SignerInfo, if the content is plain data and the signer is named by issuer and number.
const VERSION: u8 = 1;

/// How is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5.
    RsaSha256,
    /// On P-256.
    EcdsaSha256,
    /// On P-384, which goes with this hash.
    EcdsaSha384,
}

impl Algorithm {
    /// What a key is asked for.
    pub const SCHEMES: [SignatureScheme; 3] = [
        SignatureScheme::RSA_PKCS1_SHA256,
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ECDSA_NISTP384_SHA384,
    ];

    /// What TLS calls it; `None` for others.
    pub fn of(scheme: SignatureScheme) -> Option<Self> {
        match scheme {
            SignatureScheme::RSA_PKCS1_SHA256 => Some(Self::RsaSha256),
            SignatureScheme::ECDSA_NISTP256_SHA256 => Some(Self::EcdsaSha256),
            SignatureScheme::ECDSA_NISTP384_SHA384 => Some(Self::EcdsaSha384),
            _ => None,
        }
    }

    /// Absent parameters would do (RFC 5754 section 2), but Windows writes a NULL.
    fn write_digest(self, to: DERWriter<'_>) {
        let digest = match self {
            Self::RsaSha256 | Self::EcdsaSha256 => SHA256,
            Self::EcdsaSha384 => SHA384,
        };
        write_algorithm(to, &digest, true);
    }

    fn write_signature(self, to: DERWriter<'_>) {
        match self {
            Self::RsaSha256 => write_algorithm(to, &RSA, true),
            Self::EcdsaSha256 => write_algorithm(to, &ECDSA_SHA256, false),
            Self::EcdsaSha384 => write_algorithm(to, &ECDSA_SHA384, false),
        }
    }
}

/// AlgorithmIdentifier, RFC 5280 section 4.1.1.2.
fn write_algorithm(to: DERWriter<'_>, name: &[u64], with_null: bool) {
    to.write_sequence(|to| {
        to.next().write_oid(&ObjectIdentifier::from_slice(name));
        if with_null {
            to.next().write_null();
        }
    });
}

/// IssuerAndSerialNumber (RFC 5652 section 10.2.4) in DER, both as they stand in the certificate.
pub fn issuer_and_serial_number(certificate: &X509Certificate<'_>) -> Vec<u8> {
    let number = certificate.raw_serial().to_vec();
    let number = TaggedDerValue::from_tag_and_bytes(TAG_INTEGER, number);
    construct_der(|to| {
        to.write_sequence(|to| {
            to.next().write_der(certificate.issuer().as_raw());
            to.next().write_tagged_der(&number);
        });
    })
}

/// What a message says beside the signature.
pub struct SignedBy<'a> {
    /// How was signed.
    pub algorithm: Algorithm,
    /// The signer's certificate, as [`issuer_and_serial_number`] names it.
    pub name: &'a [u8],
    /// That certificate and those that vouch for it, in DER.
    pub chain: &'a [CertificateDer<'a>],
}

impl SignedBy<'_> {
    /// ContentInfo with SignedData (RFC 5652 sections 3 and 5.1) in DER, without the content.
    pub fn message(&self, signature: &[u8]) -> Vec<u8> {
        construct_der(|to| {
            to.write_sequence(|to| {
                to.next()
                    .write_oid(&ObjectIdentifier::from_slice(&SIGNED_DATA));
                to.next().write_tagged(Tag::context(0), |to| {
                    self.write_signed_data(to, signature);
                });
            });
        })
    }

    fn write_signed_data(&self, to: DERWriter<'_>, signature: &[u8]) {
        to.write_sequence(|to| {
            to.next().write_u8(VERSION);
            to.next()
                .write_set_of(|to| self.algorithm.write_digest(to.next()));
            to.next().write_sequence(|to| {
                to.next().write_oid(&ObjectIdentifier::from_slice(&DATA));
            });
            to.next().write_tagged_implicit(Tag::context(0), |to| {
                to.write_set_of(|to| {
                    for certificate in self.chain {
                        to.next().write_der(certificate);
                    }
                });
            });
            to.next()
                .write_set_of(|to| self.write_signer_info(to.next(), signature));
        });
    }

    /// SignerInfo, RFC 5652 section 5.3.
    fn write_signer_info(&self, to: DERWriter<'_>, signature: &[u8]) {
        to.write_sequence(|to| {
            to.next().write_u8(VERSION);
            to.next().write_der(self.name);
            self.algorithm.write_digest(to.next());
            self.algorithm.write_signature(to.next());
            to.next().write_bytes(signature);
        });
    }
}
