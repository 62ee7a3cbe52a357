//! Site, app, screen, and what is in them.

use super::table::{member, message};
use crate::{App, Channel, Content, Dooh, Network, Producer, Publisher, Site};

message! {
    Site<'a> {
        b"id" id = 1,
        b"name" name = 2,
        b"domain" domain = 3,
        b"cattax" cattax = 16,
        b"cat" cat = 4,
        b"sectioncat" sectioncat = 5,
        b"pagecat" pagecat = 6,
        b"page" page = 7,
        b"ref" r#ref = 9,
        b"search" search = 10,
        b"mobile" mobile = 15,
        b"privacypolicy" privacypolicy = 8,
        b"publisher" publisher = 11,
        b"content" content = 12,
        b"keywords" keywords = 13,
        b"kwarray" kwarray = 18,
        b"inventorypartnerdomain" inventorypartnerdomain = 17,
    }
    ext { b"inventorypartnerdomain" inventorypartnerdomain, b"cattax" cattax }
}

message! {
    App<'a> {
        b"id" id = 1,
        b"name" name = 2,
        b"bundle" bundle = 8,
        b"domain" domain = 3,
        b"storeurl" storeurl = 16,
        b"cattax" cattax = 17,
        b"cat" cat = 4,
        b"sectioncat" sectioncat = 5,
        b"pagecat" pagecat = 6,
        b"ver" ver = 7,
        b"privacypolicy" privacypolicy = 9,
        b"paid" paid = 10,
        b"publisher" publisher = 11,
        b"content" content = 12,
        b"keywords" keywords = 13,
        b"kwarray" kwarray = 19,
        b"inventorypartnerdomain" inventorypartnerdomain = 18,
    }
    ext { b"inventorypartnerdomain" inventorypartnerdomain, b"cattax" cattax }
}

message! {
    Dooh<'a> {
        b"id" id = 1,
        b"name" name = 2,
        b"venuetype" venuetype = 3,
        b"venuetypetax" venuetypetax = 4,
        b"publisher" publisher = 5,
        b"domain" domain = 6,
        b"keywords" keywords = 7,
        b"kwarray" kwarray,
        b"content" content = 8,
    }
}

message! {
    Publisher<'a> {
        b"id" id = 1,
        b"name" name = 2,
        b"cattax" cattax = 5,
        b"cat" cat = 3,
        b"domain" domain = 4,
    }
    ext { b"cattax" cattax }
}

message! {
    Producer<'a> {
        b"id" id = 1,
        b"name" name = 2,
        b"cattax" cattax = 5,
        b"cat" cat = 3,
        b"domain" domain = 4,
    }
    ext { b"cattax" cattax }
}

message! {
    Network<'a> {
        b"id" id = 1,
        b"name" name = 2,
        b"domain" domain = 3,
    }
}

message! {
    Channel<'a> {
        b"id" id = 1,
        b"name" name = 2,
        b"domain" domain = 3,
    }
}

message! {
    Content<'a> {
        b"id" id = 1,
        b"episode" episode = 2,
        b"title" title = 3,
        b"series" series = 4,
        b"season" season = 5,
        b"artist" artist = 21,
        b"genre" genre = 22,
        b"album" album = 23,
        b"isrc" isrc = 24,
        b"producer" producer = 15,
        b"url" url = 6,
        b"cattax" cattax = 27,
        b"cat" cat = 7,
        b"prodq" prodq = 25,
        b"context" context = 20,
        b"contentrating" contentrating = 10,
        b"userrating" userrating = 11,
        b"qagmediarating" qagmediarating = 17,
        b"keywords" keywords = 9,
        b"kwarray" kwarray = 32,
        b"livestream" livestream = 13,
        b"sourcerelationship" sourcerelationship = 14,
        b"len" len = 16,
        b"language" language = 19,
        b"langb" langb = 29,
        b"embeddable" embeddable = 18,
        b"data" data = 28,
        b"network" network = 30,
        b"channel" channel = 31,
    }
    older { b"videoquality" prodq = 8 }
    ext { b"cattax" cattax, b"network" network, b"channel" channel }
}

member!(Site<'a>, App<'a>, Dooh<'a>, Publisher<'a>, Producer<'a>, Network<'a>, Channel<'a>, Content<'a>,);
