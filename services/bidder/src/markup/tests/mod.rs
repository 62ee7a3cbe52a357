mod banner;
mod native;
mod properties;
mod vast;

use super::{Links, write};
use crate::gates::tests::given_imp;
use crate::gates::{Fit, fit};
use crate::settings::Exchange;
use tagbid_catalog::Creative;
use tagbid_types::BidId;

const PIXEL: &str = "https://n.example/notice/imp/tok?price=${AUCTION_PRICE}&cur=${AUCTION_CURRENCY}";
/// The pixel inside HTML or XML attributes.
const PIXEL_IN_HTML: &str =
    "https://n.example/notice/imp/tok?price=${AUCTION_PRICE}&amp;cur=${AUCTION_CURRENCY}";
const CLICK: &str = "https://n.example/notice/click/tok?a=1&b=2";

fn links() -> Links<'static> {
    Links { impression: PIXEL, click: CLICK, bid_id: BidId(0xB1D), cachebuster: 42 }
}

/// The markup of a creative for an impression with these members, which it fits.
fn written(creative: &Creative, imp: &str) -> String {
    given_imp(imp, |imp| {
        let exchange = "demo".parse().unwrap();
        let fit: Fit = fit(creative, imp, &exchange, &Exchange::default()).unwrap();
        let mut out = String::from("before");
        write(creative, &fit, imp, &links(), &mut out);
        out.strip_prefix("before").unwrap().to_owned()
    })
}
