//! What a server answers, and short ways to say what one expects it to be.

/// A reply of RESP2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: no such key, no such element.
    Nil,
    /// A status such as `OK`.
    Simple(String),
    /// A refusal such as `WRONGTYPE …`.
    Error(String),
    /// A number.
    Integer(i64),
    /// Bytes.
    Bulk(Vec<u8>),
    /// A list.
    Array(Vec<Reply>),
}

impl Reply {
    /// Whether there is nothing.
    pub fn is_nil(&self) -> bool {
        *self == Self::Nil
    }

    /// The bytes, or `None` for [`Reply::Nil`].
    ///
    /// # Panics
    ///
    /// If it is neither.
    #[track_caller]
    pub fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bulk(bytes) => Some(bytes),
            Self::Nil => None,
            other => panic!("expected bytes or nil, not {other:?}"),
        }
    }

    /// The text of a status or of bytes; what isn't UTF-8 in it is replaced.
    ///
    /// # Panics
    ///
    /// If it is neither.
    #[track_caller]
    pub fn text(self) -> String {
        match self {
            Self::Simple(text) => text,
            Self::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            other => panic!("expected a text, not {other:?}"),
        }
    }

    /// The number.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[track_caller]
    pub fn integer(self) -> i64 {
        match self {
            Self::Integer(number) => number,
            other => panic!("expected an integer, not {other:?}"),
        }
    }

    /// The elements.
    ///
    /// # Panics
    ///
    /// If it isn't a list.
    #[track_caller]
    pub fn array(self) -> Vec<Self> {
        match self {
            Self::Array(elements) => elements,
            other => panic!("expected an array, not {other:?}"),
        }
    }

    /// The texts of a list, such as that of `KEYS`.
    ///
    /// # Panics
    ///
    /// If it isn't a list of texts.
    #[track_caller]
    pub fn texts(self) -> Vec<String> {
        self.array().into_iter().map(Self::text).collect()
    }

    /// The value of a name in a list of names and values, such as that of `CONFIG GET`.
    ///
    /// # Panics
    ///
    /// If it isn't such a list.
    #[track_caller]
    pub fn value_of(self, name: &str) -> Option<String> {
        let elements = self.array();
        let at = elements
            .chunks_exact(2)
            .position(|pair| pair[0].clone().text() == name)?;
        Some(elements[2 * at + 1].clone().text())
    }
}
