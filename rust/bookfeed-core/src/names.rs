//! Enumerations whose variants have a code, for records, and a name, for people: one list serves
//! both, and the order of the list is the order of the codes.

macro_rules! named_codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Names in order of code.
            pub const NAMES: &'static [&'static str] = &[$($text,)+];
            /// Every variant in order of code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name shown to users.
            #[must_use]
            pub const fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }

            /// The variant called `name`.
            #[must_use]
            pub fn by_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.name() == name)
            }
        }
    };
}
pub(crate) use named_codes;
