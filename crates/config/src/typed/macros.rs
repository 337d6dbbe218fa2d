//! `message!`, `one_of!` and `enumeration!`: how a room declares what it reads.

/// Declares a message of the API with the fields that are honoured.
///
/// `name: T` reads a field, `oneof name: T` a oneof whose type [`one_of!`](crate::one_of) declares,
/// `inert name = "reason"` accepts a field on which nothing depends, `checked name: T = "reason"` one whose whole
/// effect is that only values pass that need no further action. The struct also has `span()`.
/// A plain proto3 scalar is `T` (its default when absent); where presence counts it is `Option<T>`; a
/// message that must be there is `T`. `Duration` is `std::time::Duration`, repeated fields are `Vec<T>`.
#[macro_export]
macro_rules! message {
    ($(#[$meta:meta])* $vis:vis struct $name:ident : $proto:literal { $($body:tt)* }) => {
        $crate::__message_struct! {
            [$(#[$meta])* #[derive(Clone, Debug)] $vis struct $name] out[] $($body)*
        }
        $crate::__message! {
            @parse [$vis $name $proto fields ctx] declared[] reads[] done[] types[] body[$($body)*]
        }
    };
}

/// Declares the members of a oneof that are honoured: `prefix => Prefix(String)`.
#[macro_export]
macro_rules! one_of {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$vmeta:meta])* $field:ident => $variant:ident $type:tt),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $vis enum $name {
            $(
                $(#[$vmeta])*
                #[doc = concat!("`", stringify!($field), "`")]
                $variant $type
            ),+
        }

        #[allow(unused_parens, reason = "a variant's parentheses are a type's as well")]
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

/// The struct of [`message!`](crate::message): the body as written, without `oneof` and `inert`.
///
/// The fields' own tokens are passed on one by one, because only then rustc takes them for the room's
/// code and reports those that nobody reads.
#[doc(hidden)]
#[macro_export]
macro_rules! __message_struct {
    ([$($head:tt)*] out[$($o:tt)*]) => {
        $($head)* {
            __span: $crate::span::Span,
            $($o)*
        }
    };
    ($head:tt out[$($o:tt)*] inert $n:ident = $why:literal $(, $($rest:tt)*)?) => {
        $crate::__message_struct! { $head out[$($o)*] $($($rest)*)? }
    };
    ($head:tt out[$($o:tt)*] inert $n:ident = $why:literal ; $($rest:tt)*) => {
        $crate::__message_struct! { $head out[$($o)*] $($rest)* }
    };
    ($head:tt out[$($o:tt)*] checked $n:ident : $t:ty = $why:literal $(, $($rest:tt)*)?) => {
        $crate::__message_struct! { $head out[$($o)*] $($($rest)*)? }
    };
    // An attribute or a line of documentation.
    ($head:tt out[$($o:tt)*] $a:tt [$($b:tt)*] $($rest:tt)*) => {
        $crate::__message_struct! { $head out[$($o)* $a [$($b)*]] $($rest)* }
    };
    ($head:tt out[$($o:tt)*] oneof $($rest:tt)*) => {
        $crate::__message_struct! { $head out[$($o)*] $($rest)* }
    };
    ($head:tt out[$($o:tt)*] $a:tt oneof $($rest:tt)*) => {
        $crate::__message_struct! { $head out[$($o)* $a] $($rest)* }
    };
    ($head:tt out[$($o:tt)*] $a:tt $b:tt oneof $($rest:tt)*) => {
        $crate::__message_struct! { $head out[$($o)* $a $b] $($rest)* }
    };
    // The rest of a field: so many tokens, then a comma or the end.
    ($head:tt out[$($o:tt)*] $a:tt $b:tt $c:tt $(, $($rest:tt)*)?) => {
        $crate::__message_struct! { $head out[$($o)* $a $b $c ,] $($($rest)*)? }
    };
    ($head:tt out[$($o:tt)*] $a:tt $b:tt $c:tt $d:tt $(, $($rest:tt)*)?) => {
        $crate::__message_struct! { $head out[$($o)* $a $b $c $d ,] $($($rest)*)? }
    };
    ($head:tt out[$($o:tt)*] $a:tt $b:tt $c:tt $d:tt $e:tt $(, $($rest:tt)*)?) => {
        $crate::__message_struct! { $head out[$($o)* $a $b $c $d $e ,] $($($rest)*)? }
    };
    ($head:tt out[$($o:tt)*] $a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $(, $($rest:tt)*)?) => {
        $crate::__message_struct! { $head out[$($o)* $a $b $c $d $e $f ,] $($($rest)*)? }
    };
    ($head:tt out[$($o:tt)*] $a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $g:tt $(, $($rest:tt)*)?) => {
        $crate::__message_struct! { $head out[$($o)* $a $b $c $d $e $f $g ,] $($($rest)*)? }
    };
    ($head:tt out[$($o:tt)*] $a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $g:tt $h:tt $(, $($rest:tt)*)?) => {
        $crate::__message_struct! { $head out[$($o)* $a $b $c $d $e $f $g $h ,] $($($rest)*)? }
    };
    ($head:tt out[$($o:tt)*] $a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $g:tt $h:tt $i:tt $(, $($rest:tt)*)?) => {
        $crate::__message_struct! { $head out[$($o)* $a $b $c $d $e $f $g $h $i ,] $($($rest)*)? }
    };
    ($head:tt out[$($o:tt)*] $a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $g:tt $h:tt $i:tt $j:tt $(, $($rest:tt)*)?) => {
        $crate::__message_struct! { $head out[$($o)* $a $b $c $d $e $f $g $h $i $j ,] $($($rest)*)? }
    };
    ($head:tt out[$($o:tt)*] $a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $g:tt $h:tt $i:tt $j:tt $k:tt $(, $($rest:tt)*)?) => {
        $crate::__message_struct! { $head out[$($o)* $a $b $c $d $e $f $g $h $i $j $k ,] $($($rest)*)? }
    };
    ($head:tt out[$($o:tt)*] $a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $g:tt $h:tt $i:tt $j:tt $k:tt $l:tt $(, $($rest:tt)*)?) => {
        $crate::__message_struct! { $head out[$($o)* $a $b $c $d $e $f $g $h $i $j $k $l ,] $($($rest)*)? }
    };
    ($head:tt out[$($o:tt)*] $a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $g:tt $h:tt $($rest:tt)+) => {
        $crate::__message_struct! { $head out[$($o)* $a $b $c $d $e $f $g $h] $($rest)+ }
    };
}

/// The implementations of [`message!`](crate::message): one declaration a step.
#[doc(hidden)]
#[macro_export]
macro_rules! __message {
    (@parse $head:tt declared[$($d:tt)*] reads[$($r:tt)*] done[$($n:tt)*] types[$($t:tt)*]
        body[inert $name:ident = $why:literal ; $($rest:tt)*]) => {
        $crate::__message! { @parse $head declared[$($d)* {inert $name $why}] reads[$($r)* {inert}]
            done[$($n)*] types[$($t)*] body[$($rest)*] }
    };
    (@parse $head:tt declared[$($d:tt)*] reads[$($r:tt)*] done[$($n:tt)*] types[$($t:tt)*]
        body[inert $name:ident = $why:literal $(, $($rest:tt)*)?]) => {
        $crate::__message! { @parse $head declared[$($d)* {inert $name $why}] reads[$($r)* {inert}]
            done[$($n)*] types[$($t)*] body[$($($rest)*)?] }
    };
    (@parse $head:tt declared[$($d:tt)*] reads[$($r:tt)*] done[$($n:tt)*] types[$($t:tt)*]
        body[checked $name:ident : $type:ty = $why:literal $(, $($rest:tt)*)?]) => {
        $crate::__message! { @parse $head declared[$($d)* {field $name}] reads[$($r)* {checked $type}]
            done[$($n)*] types[$($t)* {field $type}] body[$($($rest)*)?] }
    };
    (@parse $head:tt declared[$($d:tt)*] reads[$($r:tt)*] done[$($n:tt)*] types[$($t:tt)*]
        body[$(#[$fm:meta])* $fv:vis oneof $name:ident : Option<$type:ty> $(, $($rest:tt)*)?]) => {
        $crate::__message! { @parse $head declared[$($d)* {oneof $type}]
            reads[$($r)* {optional_one_of $name}] done[$($n)* $name] types[$($t)* {oneof $type}]
            body[$($($rest)*)?] }
    };
    (@parse $head:tt declared[$($d:tt)*] reads[$($r:tt)*] done[$($n:tt)*] types[$($t:tt)*]
        body[$(#[$fm:meta])* $fv:vis oneof $name:ident : $type:ty $(, $($rest:tt)*)?]) => {
        $crate::__message! { @parse $head declared[$($d)* {oneof $type}] reads[$($r)* {one_of $name}]
            done[$($n)* $name] types[$($t)* {oneof $type}] body[$($($rest)*)?] }
    };
    (@parse $head:tt declared[$($d:tt)*] reads[$($r:tt)*] done[$($n:tt)*] types[$($t:tt)*]
        body[$(#[$fm:meta])* $fv:vis $name:ident : $type:ty $(, $($rest:tt)*)?]) => {
        $crate::__message! { @parse $head declared[$($d)* {field $name}] reads[$($r)* {field $name}]
            done[$($n)* $name] types[$($t)* {field $type}] body[$($($rest)*)?] }
    };
    (@parse [$vis:vis $name:ident $proto:literal $fields:ident $ctx:ident] declared[$($d:tt)*]
        reads[$($r:tt)*] done[$($done:ident)*] types[$($t:tt)*] body[]) => {
        impl $name {
            /// Where the message stands in the configuration.
            #[allow(dead_code, reason = "every declared message has a span; not every room asks")]
            $vis fn span(&self) -> $crate::span::Span {
                self.__span
            }

            fn __table() -> &'static $crate::typed::FieldTable {
                static TABLE: $crate::typed::FieldTable =
                    $crate::typed::FieldTable::new($proto, &[$($crate::__message!(@declared $d)),*]);
                &TABLE
            }
        }

        impl $crate::typed::FromValue for $name {
            fn from_value(
                value: &$crate::tree::Value,
                span: $crate::span::Span,
                $ctx: &mut $crate::typed::Ctx,
            ) -> ::core::result::Result<Self, $crate::typed::Refused> {
                let message = $crate::typed::__message_of(value, span, $ctx)?;
                let mut $fields = $crate::typed::Fields::new(Self::__table(), message, $ctx)?;
                // All fields are read before any refusal leaves, so that every error is found.
                $($crate::__message! { @read $fields $ctx $r })*
                $fields.passed()?;
                Ok($name { __span: $fields.span(), $($done: $done?),* })
            }

            fn support(table: &mut $crate::typed::SupportTable) {
                if table.enter($proto, ::core::any::type_name::<Self>()) {
                    Self::__table().support(table);
                    $($crate::__message! { @support table $t })*
                }
            }
        }
    };
    (@declared {inert $name:ident $why:literal}) => {
        $crate::typed::Declared::Inert($crate::typed::__plain_name(stringify!($name)), $why)
    };
    (@declared {field $name:ident}) => {
        $crate::typed::Declared::Field($crate::typed::__plain_name(stringify!($name)))
    };
    (@declared {oneof $type:ty}) => {
        $crate::typed::Declared::OneOf(<$type as $crate::typed::OneOf>::FIELDS)
    };
    (@read $fields:ident $ctx:ident {inert}) => {
        $fields.inert();
    };
    (@read $fields:ident $ctx:ident {checked $type:ty}) => {
        $fields.check::<$type>($ctx);
    };
    (@read $fields:ident $ctx:ident {one_of $field:ident}) => {
        let $field = $fields.one_of(stringify!($field), $ctx);
    };
    (@read $fields:ident $ctx:ident {$method:ident $field:ident}) => {
        let $field = $fields.$method($ctx);
    };
    (@support $table:ident {field $type:ty}) => {
        <$type as $crate::typed::FromValue>::support($table);
    };
    (@support $table:ident {oneof $type:ty}) => {
        <$type as $crate::typed::OneOf>::support($table);
    };
}
