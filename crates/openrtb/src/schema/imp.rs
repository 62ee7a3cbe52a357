//! Impressions and deals.

use super::table::{member, message};
use crate::{Audio, Banner, Deal, Format, Imp, Metric, Pmp, Quantity, Video};

message! {
    Imp<'a> {
        b"id" id = 1,
        b"banner" banner = 2,
        b"video" video = 3,
        b"audio" audio = 15,
        b"native" native = 13,
        b"pmp" pmp = 11,
        b"metric" metric = 17,
        b"displaymanager" displaymanager = 4,
        b"displaymanagerver" displaymanagerver = 5,
        b"instl" instl = 6,
        b"tagid" tagid = 7,
        b"bidfloor" bidfloor = 8,
        b"bidfloorcur" bidfloorcur = 9,
        b"clickbrowser" clickbrowser = 16,
        b"secure" secure = 12,
        b"iframebuster" iframebuster = 10,
        b"rwdd" rwdd = 18,
        b"ssai" ssai = 19,
        b"exp" exp = 14,
        b"qty" qty = 20,
        b"dt" dt = 21,
    }
    ext {
        b"gpid" gpid,
        b"rwdd" rwdd,
        b"rewarded" rwdd,
        b"reward" rwdd,
        b"is_rewarded_inventory" rwdd,
        b"ssai" ssai,
    }
    check imp
    most imps
}

message! {
    Quantity<'a> {
        b"multiplier" multiplier = 1,
        b"sourcetype" sourcetype = 2,
        b"vendor" vendor = 3,
    }
    check quantity
}

message! {
    Metric<'a> {
        b"type" r#type = 1,
        b"value" value = 2,
        b"vendor" vendor = 3,
    }
}

message! {
    Banner<'a> {
        b"format" format = 15,
        b"w" w = 1,
        b"h" h = 2,
        b"btype" btype = 5,
        b"battr" battr = 6,
        b"pos" pos = 4,
        b"mimes" mimes = 7,
        b"topframe" topframe = 8,
        b"expdir" expdir = 9,
        b"api" api = 10,
        b"id" id = 3,
        b"vcm" vcm = 16,
    }
    check banner
}

message! {
    Format {
        b"w" w = 1,
        b"h" h = 2,
        b"wratio" wratio = 3,
        b"hratio" hratio = 4,
        b"wmin" wmin = 5,
    }
    check format
}

message! {
    Video<'a> {
        b"mimes" mimes = 1,
        b"minduration" minduration = 3,
        b"maxduration" maxduration = 4,
        b"startdelay" startdelay = 8,
        b"maxseq" maxseq = 28,
        b"poddur" poddur = 29,
        b"protocols" protocols = 21,
        b"w" w = 6,
        b"h" h = 7,
        b"podid" podid = 30,
        b"podseq" podseq = 31,
        b"rqddurs" rqddurs = 32,
        b"placement" placement = 26,
        b"plcmt" plcmt = 35,
        b"linearity" linearity = 2,
        b"skip" skip = 23,
        b"skipmin" skipmin = 24,
        b"skipafter" skipafter = 25,
        b"sequence" sequence = 9,
        b"slotinpod" slotinpod = 33,
        b"mincpmpersec" mincpmpersec = 34,
        b"battr" battr = 10,
        b"maxextended" maxextended = 11,
        b"minbitrate" minbitrate = 12,
        b"maxbitrate" maxbitrate = 13,
        b"boxingallowed" boxingallowed = 14,
        b"playbackmethod" playbackmethod = 15,
        b"playbackend" playbackend = 27,
        b"delivery" delivery = 16,
        b"pos" pos = 17,
        b"companionad" companionad = 18,
        b"api" api = 19,
        b"companiontype" companiontype = 20,
    }
    older { b"protocol" protocols = 5 }
    ext { b"plcmt" plcmt }
}

message! {
    Audio<'a> {
        b"mimes" mimes = 1,
        b"minduration" minduration = 2,
        b"maxduration" maxduration = 3,
        b"poddur" poddur = 25,
        b"protocols" protocols = 4,
        b"startdelay" startdelay = 5,
        b"rqddurs" rqddurs = 26,
        b"podid" podid = 27,
        b"podseq" podseq = 28,
        b"sequence" sequence = 6,
        b"slotinpod" slotinpod = 29,
        b"mincpmpersec" mincpmpersec = 30,
        b"battr" battr = 7,
        b"maxextended" maxextended = 8,
        b"minbitrate" minbitrate = 9,
        b"maxbitrate" maxbitrate = 10,
        b"delivery" delivery = 11,
        b"companionad" companionad = 12,
        b"api" api = 13,
        b"companiontype" companiontype = 20,
        b"maxseq" maxseq = 21,
        b"feed" feed = 22,
        b"stitched" stitched = 23,
        b"nvol" nvol = 24,
    }
}

message! {
    Pmp<'a> {
        b"private_auction" private_auction = 1,
        b"deals" deals = 2,
    }
    check pmp
}

message! {
    Deal<'a> {
        b"id" id = 1,
        b"bidfloor" bidfloor = 2,
        b"bidfloorcur" bidfloorcur = 3,
        b"wseat" wseat = 4,
        b"wadomain" wadomain = 5,
        b"at" at = 6,
        b"guar" guar = 7,
        b"mincpmpersec" mincpmpersec = 8,
    }
    check deal
}

member!(Banner<'a>, Video<'a>, Audio<'a>, Pmp<'a>, Quantity<'a>);
