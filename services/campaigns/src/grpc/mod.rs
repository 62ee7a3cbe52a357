//! The gRPC edge: messages in, plain types through, messages out. Nothing is decided here.

mod campaigns;
mod request;
mod status;
mod stream;
mod suppression;

pub(crate) use campaigns::CampaignsGrpc;
pub(crate) use stream::StreamGrpc;
pub(crate) use suppression::SuppressionGrpc;
