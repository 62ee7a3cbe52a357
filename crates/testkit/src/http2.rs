//! HTTP/2 frame by frame (RFC 9113), for tests of a server that is spoken to by somebody who means harm: this client keeps no
//! rule that its user does not keep.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Frame types (RFC 9113 section 6).
#[expect(missing_docs, reason = "named as in the RFC")]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
#[expect(missing_docs, reason = "named as in the RFC")]
pub mod flag {
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
}

/// SETTINGS_INITIAL_WINDOW_SIZE.
pub const INITIAL_WINDOW: u16 = 4;

/// How long a read may take before a test is told that nothing came.
const PATIENCE: Duration = Duration::from_secs(20);

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type: see [`kind`].
    pub kind: u8,
    /// Its flags: see [`flag`].
    pub flags: u8,
    /// Its stream; 0: the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Its bytes.
    pub fn bytes(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    /// The error code of a GOAWAY.
    pub fn goaway_code(&self) -> Option<u32> {
        let code = self.payload.get(4..8).filter(|_| self.kind == kind::GOAWAY)?;
        code.try_into().ok().map(u32::from_be_bytes)
    }
}

/// The head of a POST in HPACK (RFC 7541): literals that enter no table, nothing compressed.
pub fn post(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    // Indexed: ":method: POST", ":scheme: http". With indexed names: ":authority", ":path".
    let mut head = vec![0x83, 0x86, 0x01];
    text(&mut head, "test");
    head.push(0x04);
    text(&mut head, path);
    for (name, value) in more {
        head.push(0x00);
        text(&mut head, name);
        text(&mut head, value);
    }
    head
}

/// A string literal with its length in a prefix of seven bits.
fn text(to: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(length) if length < 127 => to.push(length),
        _ => {
            to.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                to.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            to.push(rest as u8);
        }
    }
    to.extend(text.as_bytes());
}

/// A connection.
#[derive(Debug)]
pub struct Http2 {
    socket: TcpStream,
    next: u32,
}

impl Http2 {
    /// Connects and says that it speaks HTTP/2, with these settings.
    pub fn connect(to: SocketAddr, settings: &[(u16, u32)]) -> io::Result<Self> {
        let mut socket = TcpStream::connect(to)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut payload = Vec::new();
        for (setting, value) in settings {
            payload.extend(setting.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        hello.extend(Frame::bytes(kind::SETTINGS, 0, 0, &payload));
        socket.write_all(&hello)?;
        Ok(Self { socket, next: 1 })
    }

    /// The number of the next stream.
    pub fn next_stream(&mut self) -> u32 {
        let next = self.next;
        self.next += 2;
        next
    }

    /// Sends bytes as they are; gives up where the server has taken none for this long.
    pub fn send_within(&mut self, bytes: &[u8], within: Duration) -> io::Result<()> {
        self.socket.set_write_timeout(Some(within))?;
        self.socket.write_all(bytes)
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send_within(bytes, PATIENCE)
    }

    /// The next frame; none when the server has closed the connection.
    pub fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        let mut head = [0; 9];
        if let Err(error) = self.socket.read_exact(&mut head) {
            return match error.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Ok(None),
                _ => Err(error),
            };
        }
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.socket.read_exact(&mut payload)?;
        Ok(Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload }))
    }

    /// The next frame that is wanted, those before it thrown away; none when the connection ends before.
    pub fn wait_frame(&mut self, wanted: impl Fn(&Frame) -> bool) -> io::Result<Option<Frame>> {
        while let Some(frame) = self.next_frame()? {
            if wanted(&frame) {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Waits until the server has worked through all that was sent before: it answers a PING.
    pub fn wait_seen(&mut self) -> io::Result<bool> {
        self.send(&Frame::bytes(kind::PING, 0, 0, b"are_seen"))?;
        let answered = self.wait_frame(|frame| frame.kind == kind::PING && frame.flags == flag::ACK)?;
        Ok(answered.is_some())
    }

    /// Waits until the server ends the connection: the code of its GOAWAY, if it sent one.
    pub fn wait_end(&mut self) -> io::Result<Option<u32>> {
        let mut code = None;
        loop {
            match self.next_frame() {
                Ok(Some(frame)) => code = frame.goaway_code().or(code),
                // A connection that is reset in the middle of a frame has ended, too.
                Ok(None) => return Ok(code),
                Err(error)
                    if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) =>
                {
                    return Ok(code);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_heads_are_as_the_specifications_say() {
        let ping = Frame::bytes(kind::PING, flag::ACK, 0, b"12345678");
        assert_eq!(ping, [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], b"12345678"].concat());
        let head = post("/x", &[("a", "b")]);
        assert_eq!(head, [&[0x83, 0x86, 0x01, 4][..], b"test\x04\x02/x\x00\x01a\x01b"].concat());
        let mut long = Vec::new();
        // RFC 7541 section 5.1: 1337 - 127 = 1210 = 9 * 128 + 58.
        text(&mut long, &"x".repeat(1_337));
        assert_eq!(long.get(..3), Some(&[127, 58 | 128, 9][..]));
    }
}
