//! The device, the user, and where they are.

use super::table::{member, message};
use crate::{Brand, Data, Device, Eid, Geo, Segment, Uid, User, UserAgent};

message! {
    Device<'a> {
        b"ua" ua = 2,
        b"sua" sua = 31,
        b"geo" geo = 4,
        b"dnt" dnt = 1,
        b"lmt" lmt = 23,
        b"ip" ip = 3,
        b"ipv6" ipv6 = 9,
        b"devicetype" devicetype = 18,
        b"make" make = 12,
        b"model" model = 13,
        b"os" os = 14,
        b"osv" osv = 15,
        b"hwv" hwv = 24,
        b"h" h = 26,
        b"w" w = 25,
        b"ppi" ppi = 27,
        b"pxratio" pxratio = 28,
        b"js" js = 16,
        b"geofetch" geofetch = 29,
        b"language" language = 11,
        b"langb" langb = 32,
        b"carrier" carrier = 10,
        b"mccmnc" mccmnc = 30,
        b"connectiontype" connectiontype = 17,
        b"ifa" ifa = 20,
        b"didsha1" didsha1 = 5,
        b"didmd5" didmd5 = 6,
        b"dpidsha1" dpidsha1 = 7,
        b"dpidmd5" dpidmd5 = 8,
        b"macsha1" macsha1 = 21,
        b"macmd5" macmd5 = 22,
    }
    ext { b"sua" sua }
}

message! {
    Geo<'a> {
        b"lat" lat = 1,
        b"lon" lon = 2,
        b"type" r#type = 9,
        b"accuracy" accuracy = 11,
        b"lastfix" lastfix = 12,
        b"ipservice" ipservice = 13,
        b"country" country = 3,
        b"region" region = 4,
        b"regionfips104" regionfips104 = 5,
        b"metro" metro = 6,
        b"city" city = 7,
        b"zip" zip = 8,
        b"utcoffset" utcoffset = 10,
    }
    check geo
}

message! {
    UserAgent<'a> {
        b"browsers" browsers = 1,
        b"platform" platform = 2,
        b"mobile" mobile = 3,
        b"architecture" architecture = 4,
        b"bitness" bitness = 5,
        b"model" model = 6,
        b"source" source = 7,
    }
}

message! {
    Brand<'a> {
        b"brand" brand = 1,
        b"version" version = 2,
    }
}

message! {
    User<'a> {
        b"id" id = 1,
        b"buyeruid" buyeruid = 2,
        b"yob" yob = 3,
        b"gender" gender = 4,
        b"keywords" keywords = 5,
        b"kwarray" kwarray = 9,
        b"customdata" customdata = 6,
        b"geo" geo = 7,
        b"data" data = 8,
        b"consent" consent = 10,
        b"eids" eids = 11,
    }
    older { b"buyerid" buyeruid }
    ext 202 { b"consent" consent = 1, b"eids" eids = 2 }
}

message! {
    Data<'a> {
        b"id" id = 1,
        b"name" name = 2,
        b"segment" segment = 3,
    }
    ext 207 { b"segtax" segtax = 1 }
}

message! {
    Segment<'a> {
        b"id" id = 1,
        b"name" name = 2,
        b"value" value = 3,
    }
}

message! {
    Eid<'a> {
        b"source" source = 1,
        b"inserter" inserter = 3,
        b"matcher" matcher = 4,
        b"mm" mm = 5,
        b"uids" uids = 2,
    }
}

message! {
    Uid<'a> {
        b"id" id = 1,
        b"atype" atype = 2,
    }
}

member!(Device<'a>, Geo<'a>, UserAgent<'a>, Brand<'a>, User<'a>);
