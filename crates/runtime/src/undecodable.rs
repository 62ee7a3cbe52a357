//! Requests that cannot be decoded. tonic answers them INTERNAL, which says that the fault is ours and that trying again may
//! help; both are wrong.

use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Response};
use tonic::{Code, Status};

/// How tonic's codec begins what it says of such a request.
const BEGINNING: &str = "failed to decode Protobuf message";

/// How deep messages may nest: prost's limit, which it does not export.
const MAX_NESTING: usize = 100;

/// Longest part of the decoder's words that is passed on: those of a deep message name every level of it.
const EXCERPT: usize = 200;

/// Turns the answer to a request that could not be decoded into INVALID_ARGUMENT; every other answer stays as it is.
pub fn refuse(response: Response<Body>) -> Response<Body> {
    refusal(response.headers()).map_or(response, Status::into_http)
}

/// What an answer with these headers is to say instead, if its request could not be decoded.
pub fn refusal(headers: &HeaderMap) -> Option<Status> {
    let code: i32 = headers.get("grpc-status")?.to_str().ok()?.parse().ok()?;
    if code != Code::Internal as i32 {
        return None;
    }
    let status = Status::from_header_map(headers).filter(|status| status.message().starts_with(BEGINNING))?;
    Some(Status::invalid_argument(reason(status.message())))
}

fn reason(decoder: &str) -> String {
    if decoder.ends_with("recursion limit reached") {
        return format!(
            "the request nests messages more than {MAX_NESTING} deep; flatten it: the parts of nested lists of the same \
             kind belong into one list"
        );
    }
    let words: String = decoder.chars().take(EXCERPT).collect();
    format!(
        "the request is not a message of this method: {words}; encode it with the service's own .proto files"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: Status) -> Status {
        Status::from_header_map(refuse(status.into_http()).headers()).unwrap()
    }

    #[test]
    fn only_what_could_not_be_decoded_is_the_callers_fault() {
        let deep = format!("{BEGINNING}: A.b: {}recursion limit reached", "A.b: ".repeat(100));
        let told = answered(Status::internal(deep));
        assert_eq!(told.code(), Code::InvalidArgument);
        assert!(told.message().contains("more than 100 deep"), "{told:?}");
        let told = answered(Status::internal(format!("{BEGINNING}: invalid wire type")));
        assert_eq!(told.code(), Code::InvalidArgument);
        assert!(told.message().contains("invalid wire type"), "{told:?}");
        assert_eq!(answered(Status::internal("internal fault")).code(), Code::Internal);
        assert_eq!(answered(Status::not_found(BEGINNING)).code(), Code::NotFound);
    }
}
