//! The request itself, its source and its regulations.

use super::table::{member, message};
use crate::{Dsa, Regs, Request, Source, SupplyChain, SupplyChainNode};

message! {
    Request<'a> {
        b"id" id = 1,
        b"imp" imp = 2,
        b"site" site = 3,
        b"app" app = 4,
        b"dooh" dooh = 22,
        b"device" device = 5,
        b"user" user = 6,
        b"test" test = 15,
        b"at" at = 7,
        b"tmax" tmax = 8,
        b"wseat" wseat = 9,
        b"bseat" bseat = 17,
        b"allimps" allimps = 10,
        b"cur" cur = 11,
        b"wlang" wlang = 18,
        b"wlangb" wlangb = 20,
        b"acat" acat = 23,
        b"bcat" bcat = 12,
        b"cattax" cattax = 21,
        b"badv" badv = 13,
        b"bapp" bapp = 16,
        b"source" source = 19,
        b"regs" regs = 14,
    }
    ext { b"cattax" cattax }
}

message! {
    Source<'a> {
        b"fd" fd = 1,
        b"tid" tid = 2,
        b"pchain" pchain = 3,
        b"schain" schain = 4,
    }
    ext 203 { b"schain" schain = 1 }
}

message! {
    SupplyChain<'a> {
        b"complete" complete = 1,
        b"nodes" nodes = 2,
        b"ver" ver = 3,
    }
}

message! {
    SupplyChainNode<'a> {
        b"asi" asi = 1,
        b"sid" sid = 2,
        b"rid" rid = 3,
        b"name" name = 4,
        b"domain" domain = 5,
        b"hp" hp = 6,
    }
}

message! {
    Regs<'a> {
        b"coppa" coppa = 1,
        b"gpp" gpp = 2,
        b"gpp_sid" gpp_sid = 3,
        b"gdpr" gdpr = 4,
        b"us_privacy" us_privacy = 5,
        b"dsa" dsa,
    }
    ext 201 {
        b"gdpr" gdpr = 1,
        b"us_privacy" us_privacy = 2,
        b"coppa" coppa,
        b"gpp" gpp,
        b"gpp_sid" gpp_sid,
        b"dsa" dsa,
    }
    merge regs
}

message! {
    Dsa {
        b"dsarequired" dsarequired,
        b"pubrender" pubrender,
        b"datatopub" datatopub,
    }
}

member!(Source<'a>, SupplyChain<'a>, Regs<'a>, Dsa);
