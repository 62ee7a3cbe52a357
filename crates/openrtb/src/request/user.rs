//! The person and what is known of them.

use super::{Geo, keywords};

/// The person: OpenRTB 2.6 section 3.2.20.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct User<'a> {
    /// The exchange's id of the user.
    pub id: Option<&'a str>,
    /// Our own id of the user, as the exchange matched it.
    pub buyeruid: Option<&'a str>,
    /// Year of birth, four digits.
    pub yob: Option<i32>,
    /// "M", "F" or "O".
    pub gender: Option<&'a str>,
    /// Keywords separated by commas. See [`User::keywords`].
    pub keywords: Option<&'a str>,
    /// Keywords as a list.
    pub kwarray: &'a [&'a str],
    /// Data that the bidder once set in the exchange's cookie.
    pub customdata: Option<&'a str>,
    /// The user's home, not the place of the device.
    pub geo: Option<&'a Geo<'a>>,
    /// What data providers say.
    pub data: &'a [Data<'a>],
    /// The TCF consent string. Also from `user.ext.consent`.
    pub consent: Option<&'a str>,
    /// Ids from identity providers. Also from `user.ext.eids`.
    pub eids: &'a [Eid<'a>],
}

impl<'a> User<'a> {
    /// The keywords of `keywords` and `kwarray`, one by one.
    pub fn keywords(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        keywords(self.keywords, self.kwarray)
    }
}

/// What one data provider says: section 3.2.21.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Data<'a> {
    /// The provider's id.
    pub id: Option<&'a str>,
    /// The provider's name.
    pub name: Option<&'a str>,
    /// The values.
    pub segment: &'a [Segment<'a>],
    /// Taxonomy of the segment ids, from `data.ext.segtax`.
    pub segtax: Option<i32>,
}

/// One value: section 3.2.22.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Segment<'a> {
    /// Id of the segment within the provider.
    pub id: Option<&'a str>,
    /// Its name.
    pub name: Option<&'a str>,
    /// Its value.
    pub value: Option<&'a str>,
}

/// Ids from one identity provider: section 3.2.27.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Eid<'a> {
    /// Canonical domain of the id's source.
    pub source: Option<&'a str>,
    /// Canonical domain of who put the id into the request.
    pub inserter: Option<&'a str>,
    /// Canonical domain of the technology that matched.
    pub matcher: Option<&'a str>,
    /// AdCOM list "Id Match Methods".
    pub mm: Option<i32>,
    /// The ids.
    pub uids: &'a [Uid<'a>],
}

/// One id: section 3.2.28.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Uid<'a> {
    /// The id.
    pub id: Option<&'a str>,
    /// AdCOM list "Agent Types": 1 browser or device, 2 app, 3 person.
    pub atype: Option<i32>,
}
