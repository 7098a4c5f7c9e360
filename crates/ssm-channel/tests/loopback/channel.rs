//! Frames both ways, batching, and the ways a channel ends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use ssm_channel::{Channel, ChannelError, Incoming, MAX_MESSAGE_BYTES};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::{Authority, HOST, prepared, serve_tls, stream_url};

type Server = WebSocketStream<TlsStream<TcpStream>>;

/// Starts a gateway that runs `script` on its WebSocket, and connects to it.
async fn connected<F, R>(script: F) -> Channel
where
    F: Fn(Server) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let authority = Authority::new();
    let address: SocketAddr = serve_tls(&authority, &[HOST], move |stream| {
        let script = script.clone();
        async move {
            let server = tokio_tungstenite::accept_async(stream).await.unwrap();
            script(server).await;
        }
    })
    .await;
    prepared(&authority, address).await.upgrade(&stream_url(), None).await.unwrap()
}

/// Sends back what comes until the client closes.
async fn echo(mut server: Server) {
    while let Some(Ok(message)) = server.next().await {
        if message.is_text() || message.is_binary() {
            server.send(message).await.unwrap();
        }
    }
}

#[tokio::test]
async fn messages_pings_and_a_goodbye_travel() {
    let (ends, mut ended) = mpsc::unbounded_channel();
    let mut channel = connected(move |mut server: Server| {
        let ends = ends.clone();
        async move {
            while let Some(message) = server.next().await {
                let message = message.unwrap();
                if message.is_close() {
                    ends.send(message).unwrap();
                } else if message.is_text() || message.is_binary() {
                    server.send(message).await.unwrap();
                }
            }
        }
    })
    .await;
    channel.send_text("héllo").await.unwrap();
    channel.send_binary(vec![0, 255]).await.unwrap();
    channel.ping().await.unwrap();
    assert_eq!(channel.recv().await.unwrap(), Incoming::Text("héllo".into()));
    assert_eq!(channel.recv().await.unwrap(), Incoming::Binary(vec![0, 255].into()));
    assert_eq!(channel.recv().await.unwrap(), Incoming::Pong);
    let invalid = channel.send_text(vec![0xff]).await;
    assert!(matches!(invalid, Err(ChannelError::NotUtf8)));
    channel.close(1000).await.unwrap();
    let goodbye = ended.recv().await.unwrap();
    assert!(matches!(goodbye, Message::Close(Some(CloseFrame { code, .. })) if u16::from(code) == 1000));
    assert!(matches!(channel.send_binary(vec![1]).await, Err(ChannelError::Closed)));
}

#[tokio::test]
async fn a_peers_ping_is_answered_without_being_shown() {
    let mut channel = connected(|mut server: Server| async move {
        server.send(Message::Ping("are you there".into())).await.unwrap();
        let answer = server.next().await.unwrap().unwrap();
        assert_eq!(answer, Message::Pong("are you there".into()));
        server.send(Message::text("thanks")).await.unwrap();
        let _ = server.next().await;
    })
    .await;
    assert_eq!(channel.recv().await.unwrap(), Incoming::Text("thanks".into()));
}

#[tokio::test]
async fn the_services_goodbye_is_shown_with_its_code_and_then_the_end() {
    let mut channel = connected(|mut server: Server| async move {
        let frame = CloseFrame { code: 1000.into(), reason: "Bye\u{1b}[2J".into() };
        server.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = server.next().await {}
        server.get_mut().shutdown().await.unwrap();
    })
    .await;
    let expected = Incoming::Close { code: 1000, reason: "Bye\\u{1b}[2J".into() };
    assert_eq!(channel.recv().await.unwrap(), expected);
    assert_eq!(channel.recv().await.unwrap(), Incoming::Eof { clean_tls: true });
    assert_eq!(channel.recv().await.unwrap(), Incoming::Eof { clean_tls: true });
}

#[tokio::test]
async fn a_close_frame_without_a_code_reads_1005() {
    let mut channel = connected(|mut server: Server| async move {
        server.close(None).await.unwrap();
        let _ = server.next().await;
    })
    .await;
    assert_eq!(channel.recv().await.unwrap(), Incoming::Close { code: 1005, reason: String::new() });
}

#[tokio::test]
async fn a_cut_shows_as_an_unclean_end_after_what_came_before_it() {
    let mut channel = connected(|mut server: Server| async move {
        server.send(Message::text("last words")).await.unwrap();
        // Dropping the TCP stream without close_notify is what a cut by a Boundary worker looks like.
        let (tcp, _) = server.get_mut().get_mut();
        tcp.shutdown().await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(channel.recv().await.unwrap(), Incoming::Text("last words".into()));
    assert_eq!(channel.recv().await.unwrap(), Incoming::Eof { clean_tls: false });
}

#[tokio::test]
async fn a_reset_shows_as_an_unclean_end() {
    let mut channel = connected(|server: Server| async move {
        server.get_ref().get_ref().0.set_zero_linger().unwrap();
        drop(server);
    })
    .await;
    assert_eq!(channel.recv().await.unwrap(), Incoming::Eof { clean_tls: false });
    channel.close(1000).await.unwrap();
}

#[tokio::test]
async fn an_end_with_close_notify_alone_is_clean() {
    let mut channel = connected(|mut server: Server| async move {
        server.get_mut().shutdown().await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(channel.recv().await.unwrap(), Incoming::Eof { clean_tls: true });
}

/// A frame header that announces `length` bytes of binary message.
fn header(length: u64) -> Vec<u8> {
    [&[0x82, 127][..], &length.to_be_bytes()].concat()
}

#[tokio::test]
async fn a_frame_above_the_limit_is_refused_at_its_header() {
    for length in [MAX_MESSAGE_BYTES as u64 + 1, u64::MAX >> 1] {
        let mut channel = connected(move |mut server: Server| async move {
            server.get_mut().write_all(&header(length)).await.unwrap();
            server.get_mut().flush().await.unwrap();
            std::future::pending::<()>().await;
        })
        .await;
        let error = channel.recv().await.unwrap_err();
        assert!(matches!(error, ChannelError::TooBig { bytes } if bytes as u64 == length), "{error:?}");
        assert_eq!(channel.recv().await.unwrap(), Incoming::Eof { clean_tls: false });
    }
}

#[tokio::test]
async fn fragments_above_the_limit_are_refused_and_below_are_joined() {
    let mut channel = connected(|mut server: Server| async move {
        let stream = server.get_mut();
        stream.write_all(&[0x02, 1, b'a', 0x00, 1, b'b', 0x80, 1, b'c']).await.unwrap();
        for opcode in [0x02, 0x00] {
            stream.write_all(&[&[opcode, 127][..], &700_000u64.to_be_bytes()].concat()).await.unwrap();
            stream.write_all(&vec![0; 700_000]).await.unwrap();
        }
        stream.flush().await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(channel.recv().await.unwrap(), Incoming::Binary("abc".into()));
    assert!(matches!(channel.recv().await, Err(ChannelError::TooBig { .. })));
}

#[tokio::test]
async fn a_broken_frame_is_a_protocol_error() {
    let mut channel = connected(|mut server: Server| async move {
        server.get_mut().write_all(&[0xf2, 0]).await.unwrap();
        server.get_mut().flush().await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    assert!(matches!(channel.recv().await, Err(ChannelError::Protocol(_))));
}

#[tokio::test]
async fn a_dropped_recv_loses_nothing() {
    let channel = connected(|mut server: Server| async move {
        for number in 0..200u32 {
            server.send(Message::binary(number.to_be_bytes().to_vec())).await.unwrap();
        }
        let _ = server.next().await;
    })
    .await;
    let (mut reader, _writer) = channel.split();
    let mut next = 0u32;
    while next < 200 {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            received = reader.recv() => {
                assert_eq!(received.unwrap(), Incoming::Binary(next.to_be_bytes().to_vec().into()));
                next += 1;
            }
        }
    }
}

#[tokio::test]
async fn both_halves_work_in_one_loop() {
    const COUNT: usize = 10_000;
    let (mut reader, mut writer) = connected(echo).await.split();
    let message = Bytes::from(vec![7u8; 150]);
    let (mut queued, mut echoed) = (0, 0);
    let mut flushing = false;
    while echoed < COUNT {
        while queued < COUNT && queued - echoed < 500 {
            writer.queue_binary(message.clone()).unwrap();
            queued += 1;
            flushing = true;
        }
        tokio::select! {
            result = writer.flush(), if flushing => { result.unwrap(); flushing = false; }
            received = reader.recv() => {
                let mut received = Some(received.unwrap());
                while let Some(incoming) = received {
                    assert_eq!(incoming, Incoming::Binary(message.clone()));
                    echoed += 1;
                    received = reader.try_recv().unwrap();
                }
            }
        }
    }
    let traffic = reader.traffic();
    assert!(traffic.sent() > 1_500_000 && traffic.received() > 1_500_000, "{traffic:?}");
}

#[tokio::test]
async fn a_peer_that_does_not_read_fails_the_queue_and_not_the_memory() {
    let mut channel = connected(|server: Server| async move {
        std::future::pending::<()>().await;
        drop(server);
    })
    .await;
    let (_reader, mut writer) = {
        let _ = channel.ping().await;
        channel.split()
    };
    let message = Bytes::from(vec![0u8; 256 * 1024]);
    let mut queued = 0;
    let error = loop {
        match writer.queue_binary(message.clone()) {
            Ok(()) => queued += 1,
            Err(error) => break error,
        }
        assert!(queued < 1000, "the queue has no bound");
    };
    assert!(matches!(error, ChannelError::Backlog), "{error:?}");
}

#[tokio::test]
async fn closing_a_channel_whose_peer_does_not_read_takes_two_seconds_at_most() {
    let channel = connected(|server: Server| async move {
        std::future::pending::<()>().await;
        drop(server);
    })
    .await;
    let (_reader, mut writer) = channel.split();
    while writer.queue_binary(vec![0u8; 256 * 1024]).is_ok() {}
    let start = Instant::now();
    let _ = writer.close(1000).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// Prints what a release build does: `cargo test --release -p ssm-channel -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement, not a check"]
async fn throughput() {
    const BYTES: usize = 50 * 1024 * 1024;
    const FRAMES: usize = 10_000;
    let mut channel = connected(|mut server: Server| async move {
        let message = Message::binary(vec![7u8; 1024]);
        for _ in 0..BYTES / 1024 {
            server.feed(message.clone()).await.unwrap();
        }
        server.flush().await.unwrap();
        for _ in 0..FRAMES {
            server.next().await.unwrap().unwrap();
        }
        server.send(Message::text("done")).await.unwrap();
    })
    .await;
    let start = Instant::now();
    let mut received = 0;
    while received < BYTES {
        if let Incoming::Binary(bytes) = channel.recv().await.unwrap() {
            received += bytes.len();
        }
    }
    println!("received {} MiB in 1 KiB frames: {:?}", BYTES >> 20, start.elapsed());
    let (mut reader, mut writer) = channel.split();
    let message = Bytes::from(vec![7u8; 130]);
    let start = Instant::now();
    for _ in 0..FRAMES {
        writer.queue_binary(message.clone()).unwrap();
    }
    writer.flush().await.unwrap();
    println!("sent {FRAMES} frames: {:?}", start.elapsed());
    assert_eq!(reader.recv().await.unwrap(), Incoming::Text("done".into()));
    println!("  all received by the peer: {:?}", start.elapsed());
}
