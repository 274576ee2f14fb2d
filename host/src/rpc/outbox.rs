//! The writing half of a connection: many senders, one task, few writes.
//!
//! Frames that are queued together leave in one write; a large spliced body is written from
//! where it lies. Knows nothing of what the frames say.

use std::io;

use alyx_protocol::OutFrame;
use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Frames that may wait for a shim that does not read. More than every call, ping and answer
/// that a connection may have open at once, so that a full queue means a broken shim.
const QUEUE: usize = 2048;
/// Bytes gathered before a write.
const BATCH: usize = 64 * 1024;
/// Bodies from this size on are not copied into the batch.
const LARGE: usize = 32 * 1024;

/// Where frames are left to be written.
#[derive(Debug, Clone)]
pub(crate) struct Outbox(mpsc::Sender<OutFrame>);

/// The queue is full or the connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotSent;

impl Outbox {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<OutFrame>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Outbox(sender), receiver)
    }

    pub(crate) fn send(&self, frame: OutFrame) -> Result<(), NotSent> {
        self.0.try_send(frame).map_err(|_| NotSent)
    }
}

/// Writes until all senders are gone or a write fails.
pub(crate) async fn write_all(
    mut io: impl AsyncWrite + Unpin,
    mut frames: mpsc::Receiver<OutFrame>,
) -> io::Result<()> {
    let mut batch = BytesMut::with_capacity(BATCH);
    while let Some(first) = frames.recv().await {
        // Others who are ready to send get to do so before the write: one write instead of many.
        tokio::task::yield_now().await;
        let mut next = Some(first);
        while let Some(frame) = next {
            gather(&mut io, &mut batch, &frame).await?;
            next = if batch.len() < BATCH { frames.try_recv().ok() } else { None };
        }
        io.write_all(&batch).await?;
        batch.clear();
    }
    io.shutdown().await
}

async fn gather(
    io: &mut (impl AsyncWrite + Unpin),
    batch: &mut BytesMut,
    frame: &OutFrame,
) -> io::Result<()> {
    for piece in frame.pieces() {
        if piece.len() < LARGE {
            batch.put_slice(piece);
        } else {
            io.write_all(batch).await?;
            batch.clear();
            io.write_all(piece).await?;
        }
    }
    Ok(())
}
