//! Airports as `data/airports.csv` lists them.

use serde::{Deserialize, Serialize};

use crate::Result;

/// An airport: what the origin answers and the cache keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Airport {
    pub(crate) iata: String,
    pub(crate) icao: String,
    pub(crate) name: String,
    pub(crate) city: String,
    /// Two letters, ISO 3166-1.
    pub(crate) country: String,
    /// In feet.
    pub(crate) elevation: f64,
    /// In degrees.
    pub(crate) lat: f64,
    /// In degrees.
    pub(crate) lon: f64,
    /// The time zone's name in the IANA database.
    pub(crate) tz: String,
}

/// Every airport, in the order of the file.
pub(crate) fn all() -> impl Iterator<Item = Result<Airport>> {
    let file: &[u8] = include_bytes!("data/airports.csv");
    let lines = csv::Reader::from_reader(file).into_deserialize();
    lines.map(|airport| Ok(airport?))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_line_is_an_airport_with_a_code_of_its_own() {
        let airports: Vec<Airport> = all().collect::<Result<_>>().unwrap();
        assert_eq!(airports.len(), 7_884);
        let codes: HashSet<&str> = airports
            .iter()
            .map(|airport| airport.iata.as_str())
            .collect();
        assert_eq!(codes.len(), airports.len(), "a code stands twice");
        assert!(codes.iter().all(|code| code.len() == 3));
    }

    #[test]
    fn quotes_within_a_name_are_read() {
        let palmer = all().map(Result::unwrap).find(|it| it.iata == "PAQ");
        assert_eq!(
            palmer.unwrap().name,
            r#"Warren "Bud" Woods Palmer Municipal Airport"#
        );
    }
}
