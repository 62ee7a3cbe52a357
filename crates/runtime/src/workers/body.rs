//! Reading the body of a request: bounded in bytes and in time.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, Sleep, sleep};

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than allowed; not all of it was kept, and of a very long one not all was read.
    TooLarge,
    /// The peer broke off.
    Broken,
    /// It came too slowly.
    TooSlow,
}

/// Of a body that is too long, so many times the limit is still read and thrown away: a peer that is sending does not
/// see the answer before it is done, and loses it when the connection or the HTTP/2 stream closes over the rest.
const DISCARD: usize = 4;

async fn discard<B: Body<Data = Bytes> + Unpin>(body: &mut B, most: usize) {
    let mut seen = 0;
    while seen <= most
        && let Some(Ok(frame)) = body.frame().await
    {
        seen += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// How slowly a body may come.
#[derive(Clone, Copy, Debug)]
pub struct BodyPace {
    /// From now to its end.
    pub within: Duration,
    /// Bytes a second, on average from the second second on.
    pub least: usize,
}

/// Between two looks at how much of a body has come, and the time in which nothing has to come.
const LOOK: Duration = Duration::from_secs(1);

/// Reads a body of at most `limit` bytes that comes at this pace. No timer runs for one that is there already.
pub async fn read_body_paced<B>(body: B, limit: usize, pace: BodyPace) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let seen = Cell::new(0);
    let mut reading = pin!(read(body, limit, &seen));
    let mut looks: Option<(Instant, Pin<Box<Sleep>>)> = None;
    poll_fn(|cx| {
        if let Poll::Ready(read) = reading.as_mut().poll(cx) {
            return Poll::Ready(read);
        }
        let (begun, look) =
            looks.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(LOOK.min(pace.within)))));
        while look.as_mut().poll(cx).is_ready() {
            let took = begun.elapsed();
            let seconds = usize::try_from(took.as_secs().saturating_sub(1)).unwrap_or(usize::MAX);
            let least = pace.least.saturating_mul(seconds);
            if took >= pace.within || seen.get() < least {
                return Poll::Ready(Err(BodyError::TooSlow));
            }
            let next = (Instant::now() + LOOK).min(*begun + pace.within);
            look.as_mut().reset(next);
        }
        Poll::Pending
    })
    .await
}

/// Reads a body of at most `limit` bytes. A body that came in one piece is not copied.
pub async fn read_body<B>(body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    read(body, limit, &Cell::new(0)).await
}

/// Reads a body and says how much of it has come.
async fn read<B>(mut body: B, limit: usize, seen: &Cell<usize>) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let most = limit.saturating_mul(DISCARD);
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        if announced <= most as u64 {
            discard(&mut body, most).await;
        }
        return Err(BodyError::TooLarge);
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        seen.set(seen.get() + data.len());
        if first.len() + whole.len() + data.len() > limit {
            discard(&mut body, most).await;
            return Err(BodyError::TooLarge);
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}
