//! OpenRTB's JSON to the IAB's protobuf and back, field by field by their names, which are the same in both.

use anyhow::Context;
use bytes::Bytes;
use prost_reflect::prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value as Field,
};
use serde_json::{Map, Value};

/// The IAB's messages.
#[derive(Clone, Debug)]
pub struct Protobuf {
    request: MessageDescriptor,
    response: MessageDescriptor,
}

impl Protobuf {
    /// Out of the descriptors that tagbid itself is built with.
    pub fn new() -> anyhow::Result<Self> {
        let pool = DescriptorPool::decode(tagbid_wire::DESCRIPTORS)?;
        let message = |name: &str| {
            let full = format!("com.iabtechlab.openrtb.v2.{name}");
            pool.get_message_by_name(&full).with_context(|| format!("no message {full}"))
        };
        Ok(Self { request: message("BidRequest")?, response: message("BidResponse")? })
    }

    /// A JSON request as protobuf, and how many of its members have no field there (extensions, mostly).
    pub fn request(&self, json: &[u8]) -> anyhow::Result<(Bytes, u64)> {
        let object: Map<String, Value> =
            serde_json::from_slice(json).context("the request is no JSON object")?;
        let mut left_out = 0;
        let message = fill(&self.request, &object, &mut left_out);
        Ok((message.encode_to_vec().into(), left_out))
    }

    /// A protobuf answer as JSON; none when it cannot be read.
    pub fn response(&self, body: &[u8]) -> Option<Value> {
        DynamicMessage::decode(self.response.clone(), body).ok().as_ref().map(to_json)
    }
}

fn fill(of: &MessageDescriptor, object: &Map<String, Value>, left_out: &mut u64) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    let ext = object.get("ext").and_then(Value::as_object);
    // What OpenRTB 2.5 had under `ext` has a field of its own in 2.6, which is what the IAB's file is.
    let promoted = ext.into_iter().flatten().filter(|(name, _)| !object.contains_key(*name));
    let own = object.iter().filter(|(name, _)| ext.is_none() || *name != "ext");
    for (name, value) in own.chain(promoted).filter(|(_, value)| !value.is_null()) {
        let field = of.get_field_by_name(name);
        match field.and_then(|field| Some((to_field(&field, value, left_out)?, field))) {
            Some((value, field)) => message.set_field(&field, value),
            None if name == "segtax" && extend(&mut message, value) => {}
            None => *left_out += 1,
        }
    }
    message
}

/// The one extension of the IAB's openrtb-ext.proto that is no field of 2.6: the taxonomy of segments.
fn extend(message: &mut DynamicMessage, segtax: &Value) -> bool {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Segtax {
        #[prost(int32, optional, tag = "1")]
        segtax: Option<i32>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct DataExtension {
        #[prost(message, optional, tag = "207")]
        ext: Option<Segtax>,
    }
    let segtax = segtax.as_i64().and_then(|number| i32::try_from(number).ok());
    let extension = DataExtension { ext: Some(Segtax { segtax }) };
    // The descriptor does not know it, so that it stays as it is among the unknown fields, which are encoded too.
    message.merge(extension.encode_to_vec().as_slice()).is_ok()
}

/// A member's value in its field's type; a scalar stands for a list of one, as everywhere in OpenRTB.
fn to_field(field: &FieldDescriptor, value: &Value, left_out: &mut u64) -> Option<Field> {
    if !field.is_list() {
        return to_single(field, value, left_out);
    }
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    Some(Field::List(items.iter().filter_map(|item| to_single(field, item, left_out)).collect()))
}

fn to_single(field: &FieldDescriptor, value: &Value, left_out: &mut u64) -> Option<Field> {
    match field.kind() {
        Kind::Message(of) => Some(Field::Message(fill(&of, value.as_object()?, left_out))),
        Kind::String => Some(Field::String(match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        })),
        Kind::Bool => value.as_bool().or_else(|| Some(value.as_f64()? != 0.0)).map(Field::Bool),
        Kind::Double => value.as_f64().map(Field::F64),
        Kind::Float => value.as_f64().map(|number| Field::F32(number as f32)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => value.as_f64().map(|number| Field::I32(number as i32)),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => value.as_i64().map(Field::I64),
        Kind::Uint32 | Kind::Fixed32 => value.as_u64().and_then(|n| u32::try_from(n).ok()).map(Field::U32),
        Kind::Uint64 | Kind::Fixed64 => value.as_u64().map(Field::U64),
        // OpenRTB has neither.
        Kind::Bytes | Kind::Enum(_) => None,
    }
}

fn to_json(message: &DynamicMessage) -> Value {
    let members = message.fields().map(|(field, value)| (field.name().to_owned(), field_to_json(value)));
    Value::Object(members.collect())
}

fn field_to_json(value: &Field) -> Value {
    match value {
        Field::Bool(flag) => Value::from(u8::from(*flag)),
        Field::I32(number) => Value::from(*number),
        Field::I64(number) => Value::from(*number),
        Field::U32(number) => Value::from(*number),
        Field::U64(number) => Value::from(*number),
        Field::F32(number) => Value::from(*number),
        Field::F64(number) => Value::from(*number),
        Field::String(text) => Value::from(text.as_str()),
        Field::Message(message) => to_json(message),
        Field::List(items) => Value::Array(items.iter().map(field_to_json).collect()),
        Field::Bytes(_) | Field::EnumNumber(_) | Field::Map(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Encoding, Messages};
    use tagbid_exchange::Traffic;

    #[test]
    fn a_bidder_reads_the_same_out_of_both_encodings() {
        let traffic = Traffic { users: 100, ..Traffic::default() };
        let messages = Messages::generated(traffic, 5, 300, Encoding::Protobuf).unwrap();
        assert_eq!(messages.left_out, 0, "members without a field");
        let (arena, limits) = (bumpalo::Bump::new(), tagbid_openrtb::Limits::default());
        for one in messages.list.iter() {
            let json = tagbid_openrtb::from_json(&one.json, &arena, limits).unwrap();
            assert_eq!(tagbid_openrtb::from_protobuf(&one.body, &arena, limits).unwrap(), json);
        }
    }

    #[test]
    fn what_has_no_field_is_counted_and_loose_types_are_taken() {
        let protobuf = Protobuf::new().unwrap();
        let json =
            br#"{"id":7,"ext":{"a":1,"tmax":90},"cur":"USD","test":true,"imp":[{"id":"1","news":2,"tagid":null}]}"#;
        let (body, left_out) = protobuf.request(json).unwrap();
        let back = to_json(&DynamicMessage::decode(protobuf.request.clone(), body).unwrap());
        let same =
            serde_json::json!({"id": "7", "cur": ["USD"], "test": 1, "tmax": 90, "imp": [{"id": "1"}]});
        assert_eq!((back, left_out), (same, 2));
        assert!(protobuf.request(b"[]").is_err());
    }
}
