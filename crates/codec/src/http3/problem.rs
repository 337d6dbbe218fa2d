//! The kinds of faults that end a connection: their numbers and names in Envoy, whose phrases and counters have them.

use super::error::ErrorCode;

macro_rules! problems {
    ($($(#[$doc:meta])* $problem:ident: $number:literal, $name:literal, $code:ident;)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Problem {
            $($(#[$doc])* $problem,)*
        }

        impl Problem {
            /// The code of CONNECTION_CLOSE.
            pub const fn code(self) -> ErrorCode {
                match self {
                    $(Self::$problem => ErrorCode::$code,)*
                }
            }

            /// Envoy's number, which stands in front of the phrase.
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$problem => $number,)*
                }
            }

            /// Envoy's name (`tx.quic_connection_close_error_code_*`).
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$problem => $name,)*
                }
            }

            /// The name of the one with this number.
            pub fn name_of(number: u16) -> Option<&'static str> {
                const ALL: &[(u16, &str)] = &[$(($number, $name)),*];
                let mut found = ALL.iter().filter(|(known, _)| *known == number);
                found.next().map(|(_, name)| *name)
            }
        }
    };
}

problems! {
    /// A frame or a message of a wrong layout.
    Frame: 132, "QUIC_HTTP_FRAME_ERROR", FRAME_ERROR;
    /// A frame that is too large.
    TooLarge: 131, "QUIC_HTTP_FRAME_TOO_LARGE", EXCESSIVE_LOAD;
    /// A frame that has no place on the stream of a request.
    OnRequest: 133, "QUIC_HTTP_FRAME_UNEXPECTED_ON_SPDY_STREAM", FRAME_UNEXPECTED;
    /// A frame that has no place on the control stream.
    OnControl: 134, "QUIC_HTTP_FRAME_UNEXPECTED_ON_CONTROL_STREAM", FRAME_UNEXPECTED;
    /// Frames of a request in a wrong order.
    OrderOnRequest: 151, "QUIC_HTTP_INVALID_FRAME_SEQUENCE_ON_SPDY_STREAM", FRAME_UNEXPECTED;
    /// Frames of the control stream in a wrong order.
    OrderOnControl: 152, "QUIC_HTTP_INVALID_FRAME_SEQUENCE_ON_CONTROL_STREAM", FRAME_UNEXPECTED;
    /// A second stream where there can be only one.
    SecondStream: 153, "QUIC_HTTP_DUPLICATE_UNIDIRECTIONAL_STREAM", STREAM_CREATION_ERROR;
    /// A stream that the connection needs was closed.
    CriticalClosed: 156, "QUIC_HTTP_CLOSED_CRITICAL_STREAM", CLOSED_CRITICAL_STREAM;
    /// A stream that the connection needs has ended. Envoy closes with a code of QUIC.
    CriticalEnded: 17, "QUIC_INVALID_STREAM_ID", CLOSED_CRITICAL_STREAM;
    /// The control stream does not begin with SETTINGS.
    NoSettings: 157, "QUIC_HTTP_MISSING_SETTINGS_FRAME", MISSING_SETTINGS;
    /// A setting that comes twice.
    SecondSetting: 158, "QUIC_HTTP_DUPLICATE_SETTING_IDENTIFIER", SETTINGS_ERROR;
    /// GOAWAY with a number that is no request's.
    GoAwayOfNothing: 166, "QUIC_HTTP_GOAWAY_INVALID_STREAM_ID", ID_ERROR;
    /// GOAWAY with a number above the one before.
    GoAwayGrows: 167, "QUIC_HTTP_GOAWAY_ID_LARGER_THAN_PREVIOUS", ID_ERROR;
    /// A setting of HTTP/2.
    OldSetting: 169, "QUIC_HTTP_RECEIVE_SPDY_SETTING", SETTINGS_ERROR;
    /// A frame of HTTP/2.
    OldFrame: 171, "QUIC_HTTP_RECEIVE_SPDY_FRAME", FRAME_UNEXPECTED;
    /// A stream that pushes.
    Push: 205, "QUIC_HTTP_RECEIVE_SERVER_PUSH", GENERAL_PROTOCOL_ERROR;
    /// A setting with a value that it cannot have.
    SettingValue: 207, "QUIC_HTTP_INVALID_SETTING_VALUE", SETTINGS_ERROR;
    /// A block of headers that cannot be decompressed.
    Decompression: 126, "QUIC_QPACK_DECOMPRESSION_FAILED", QPACK_DECOMPRESSION_FAILED;
    /// An insertion under a name of the static table.
    InsertStatic: 178, "QUIC_QPACK_ENCODER_STREAM_ERROR_INSERTING_STATIC", QPACK_ENCODER_STREAM_ERROR;
    /// An insertion under the name of another.
    InsertDynamic: 180, "QUIC_QPACK_ENCODER_STREAM_INSERTION_DYNAMIC_ENTRY_NOT_FOUND", QPACK_ENCODER_STREAM_ERROR;
    /// An insertion.
    InsertLiteral: 182, "QUIC_QPACK_ENCODER_STREAM_ERROR_INSERTING_LITERAL", QPACK_ENCODER_STREAM_ERROR;
    /// An insertion of what is there already.
    Duplicate: 184, "QUIC_QPACK_ENCODER_STREAM_DUPLICATE_DYNAMIC_ENTRY_NOT_FOUND", QPACK_ENCODER_STREAM_ERROR;
    /// A table that is larger than allowed.
    Capacity: 185, "QUIC_QPACK_ENCODER_STREAM_SET_DYNAMIC_TABLE_CAPACITY", QPACK_ENCODER_STREAM_ERROR;
    /// A number that is too large.
    EncoderInteger: 174, "QUIC_QPACK_ENCODER_STREAM_INTEGER_TOO_LARGE", QPACK_ENCODER_STREAM_ERROR;
    /// A number that is too large.
    DecoderInteger: 186, "QUIC_QPACK_DECODER_STREAM_INTEGER_TOO_LARGE", QPACK_DECODER_STREAM_ERROR;
    /// An increment by nothing.
    IncrementOfZero: 187, "QUIC_QPACK_DECODER_STREAM_INVALID_ZERO_INCREMENT", QPACK_DECODER_STREAM_ERROR;
    /// More insertions than were made.
    Increment: 189, "QUIC_QPACK_DECODER_STREAM_IMPOSSIBLE_INSERT_COUNT", QPACK_DECODER_STREAM_ERROR;
    /// Thanks for what was not sent.
    Acknowledgement: 190, "QUIC_QPACK_DECODER_STREAM_INCORRECT_ACKNOWLEDGEMENT", QPACK_DECODER_STREAM_ERROR;
}
