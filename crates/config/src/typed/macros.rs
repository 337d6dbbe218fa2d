//! `message!`, `one_of!` and `enumeration!`: how a room declares what it reads.

/// Declares a message of the API with the fields that are honoured.
///
/// `name: T` reads a field, `oneof name: T` a oneof whose type [`one_of!`](crate::one_of) declares,
/// `inert name = "reason"` accepts a field on which nothing depends. The struct also has `span()`.
/// A plain proto3 scalar is `T` (its default when absent); where presence counts it is `Option<T>`; a
/// message that must be there is `T`. `Duration` is `std::time::Duration`, repeated fields are `Vec<T>`.
#[macro_export]
macro_rules! message {
    ($(#[$meta:meta])* $vis:vis struct $name:ident : $proto:literal { $($body:tt)* }) => {
        $crate::__message! {
            @parse [$(#[$meta])* $vis struct $name : $proto] fields[] declared[] reads[] types[]
            body[$($body)*]
        }
    };
}

/// Declares the members of a oneof that are honoured: `prefix => Prefix(String)`.
#[macro_export]
macro_rules! one_of {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$vmeta:meta])* $field:ident => $variant:ident ( $type:ty )),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $vis enum $name {
            $(
                $(#[$vmeta])*
                #[doc = concat!("`", stringify!($field), "`")]
                $variant($type)
            ),+
        }

        impl $crate::typed::OneOf for $name {
            const FIELDS: &'static [&'static str] = &[$($crate::typed::__plain_name(stringify!($field))),+];

            fn from_member(
                index: usize,
                entry: &$crate::tree::Entry,
                ctx: &mut $crate::typed::Ctx,
            ) -> ::core::result::Result<Self, $crate::typed::Refused> {
                let mut member = 0;
                $(
                    if index == member {
                        return <$type as $crate::typed::FromValue>::from_entry(entry, ctx)
                            .map($name::$variant);
                    }
                    member += 1;
                )+
                let _ = member;
                Err($crate::typed::Refused)
            }

            fn support(table: &mut $crate::typed::SupportTable) {
                $(<$type as $crate::typed::FromValue>::support(table);)+
            }
        }
    };
}

/// Declares the values of an enum that are honoured: `ROUND_ROBIN => RoundRobin`.
///
/// Any other value is refused where it stands: "not supported by Nuncio yet".
#[macro_export]
macro_rules! enumeration {
    ($(#[$meta:meta])* $vis:vis enum $name:ident : $proto:literal {
        $($(#[$vmeta:meta])* $value:ident => $variant:ident),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        $vis enum $name {
            $(
                $(#[$vmeta])*
                #[doc = concat!("`", stringify!($value), "`")]
                $variant
            ),+
        }

        impl $name {
            const VALUES: &'static [(&'static str, $name)] =
                &[$((stringify!($value), $name::$variant)),+];
        }

        impl $crate::typed::FromValue for $name {
            fn from_value(
                value: &$crate::tree::Value,
                span: $crate::span::Span,
                ctx: &mut $crate::typed::Ctx,
            ) -> ::core::result::Result<Self, $crate::typed::Refused> {
                $crate::typed::__enum_from_value($proto, Self::VALUES, value, span, ctx)
            }

            fn absent() -> ::core::option::Option<Self> {
                $crate::typed::__enum_absent($proto, Self::VALUES)
            }

            fn support(table: &mut $crate::typed::SupportTable) {
                for (value, _) in Self::VALUES {
                    table.add_enum_value($proto, value);
                }
            }
        }
    };
}

/// The inner steps of [`message!`](crate::message): one declaration at a time.
#[doc(hidden)]
#[macro_export]
macro_rules! __message {
    (@parse $head:tt fields[$($f:tt)*] declared[$($d:tt)*] reads[$($r:tt)*] types[$($t:tt)*]
        body[inert $name:ident = $why:literal ; $($rest:tt)*]) => {
        $crate::__message! { @parse $head fields[$($f)*]
            declared[$($d)* $crate::typed::Declared::Inert($crate::typed::__plain_name(stringify!($name)), $why),]
            reads[$($r)* {inert}] types[$($t)*] body[$($rest)*] }
    };
    (@parse $head:tt fields[$($f:tt)*] declared[$($d:tt)*] reads[$($r:tt)*] types[$($t:tt)*]
        body[inert $name:ident = $why:literal $(, $($rest:tt)*)?]) => {
        $crate::__message! { @parse $head fields[$($f)*]
            declared[$($d)* $crate::typed::Declared::Inert($crate::typed::__plain_name(stringify!($name)), $why),]
            reads[$($r)* {inert}] types[$($t)*] body[$($($rest)*)?] }
    };
    (@parse $head:tt fields[$($f:tt)*] declared[$($d:tt)*] reads[$($r:tt)*] types[$($t:tt)*]
        body[$(#[$fm:meta])* $fv:vis oneof $name:ident : Option<$type:ty> $(, $($rest:tt)*)?]) => {
        $crate::__message! { @parse $head
            fields[$($f)* $(#[$fm])* $fv $name : ::core::option::Option<$type>,]
            declared[$($d)* $crate::typed::Declared::OneOf(<$type as $crate::typed::OneOf>::FIELDS),]
            reads[$($r)* {optional_one_of $name}] types[$($t)* {oneof $type}] body[$($($rest)*)?] }
    };
    (@parse $head:tt fields[$($f:tt)*] declared[$($d:tt)*] reads[$($r:tt)*] types[$($t:tt)*]
        body[$(#[$fm:meta])* $fv:vis oneof $name:ident : $type:ty $(, $($rest:tt)*)?]) => {
        $crate::__message! { @parse $head
            fields[$($f)* $(#[$fm])* $fv $name : $type,]
            declared[$($d)* $crate::typed::Declared::OneOf(<$type as $crate::typed::OneOf>::FIELDS),]
            reads[$($r)* {one_of $name}] types[$($t)* {oneof $type}] body[$($($rest)*)?] }
    };
    (@parse $head:tt fields[$($f:tt)*] declared[$($d:tt)*] reads[$($r:tt)*] types[$($t:tt)*]
        body[$(#[$fm:meta])* $fv:vis $name:ident : $type:ty $(, $($rest:tt)*)?]) => {
        $crate::__message! { @parse $head
            fields[$($f)* $(#[$fm])* $fv $name : $type,]
            declared[$($d)* $crate::typed::Declared::Field($crate::typed::__plain_name(stringify!($name))),]
            reads[$($r)* {field $name}] types[$($t)* {field $type}] body[$($($rest)*)?] }
    };
    (@parse [$(#[$meta:meta])* $vis:vis struct $name:ident : $proto:literal]
        fields[$($f:tt)*] declared[$($d:tt)*] reads[$($r:tt)*] types[$($t:tt)*] body[]) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $vis struct $name {
            __span: $crate::span::Span,
            $($f)*
        }

        impl $name {
            /// Where the message stands in the configuration.
            #[allow(dead_code, reason = "every declared message has a span; not every room asks")]
            $vis fn span(&self) -> $crate::span::Span {
                self.__span
            }
        }

        impl $crate::typed::FromValue for $name {
            fn from_value(
                value: &$crate::tree::Value,
                span: $crate::span::Span,
                ctx: &mut $crate::typed::Ctx,
            ) -> ::core::result::Result<Self, $crate::typed::Refused> {
                let message = $crate::typed::__message_of(value, span, ctx)?;
                let mut fields = $crate::typed::Fields::new(Self::__table(), message, ctx)?;
                $crate::__message! { @read fields ctx $name [$($r)*] [] }
            }

            fn support(table: &mut $crate::typed::SupportTable) {
                if table.enter($proto, ::core::any::type_name::<Self>()) {
                    Self::__table().support(table);
                    $crate::__message! { @support table $($t)* }
                }
            }
        }

        impl $name {
            fn __table() -> &'static $crate::typed::FieldTable {
                static TABLE: $crate::typed::FieldTable =
                    $crate::typed::FieldTable::new($proto, &[$($d)*]);
                &TABLE
            }
        }
    };
    // All fields are read before any refusal leaves, so that every error is found.
    (@read $fields:ident $ctx:ident $name:ident [{inert} $($r:tt)*] [$($done:ident)*]) => {
        $fields.inert();
        $crate::__message! { @read $fields $ctx $name [$($r)*] [$($done)*] }
    };
    (@read $fields:ident $ctx:ident $name:ident [{one_of $field:ident} $($r:tt)*] [$($done:ident)*]) => {
        let $field = $fields.one_of(stringify!($field), $ctx);
        $crate::__message! { @read $fields $ctx $name [$($r)*] [$($done)* $field] }
    };
    (@read $fields:ident $ctx:ident $name:ident [{$method:ident $field:ident} $($r:tt)*] [$($done:ident)*]) => {
        let $field = $fields.$method($ctx);
        $crate::__message! { @read $fields $ctx $name [$($r)*] [$($done)* $field] }
    };
    (@read $fields:ident $ctx:ident $name:ident [] [$($done:ident)*]) => {
        Ok($name { __span: $fields.span(), $($done: $done?),* })
    };
    (@support $table:ident $({$kind:ident $type:ty})*) => {
        $($crate::__message! { @support_one $table $kind $type })*
    };
    (@support_one $table:ident field $type:ty) => {
        <$type as $crate::typed::FromValue>::support($table);
    };
    (@support_one $table:ident oneof $type:ty) => {
        <$type as $crate::typed::OneOf>::support($table);
    };
}
