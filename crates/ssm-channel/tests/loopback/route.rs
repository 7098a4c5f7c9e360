//! The way to a proved connection: routes, certificates, and how each failure is told apart.

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::{Authority, HOST, prepared, read_request, serve, serve_tls};
use ssm_channel::{CONNECT_TIMEOUT, DialError, Dialer, PrepareError, Prepared, ProxyUrl, TLS_TIMEOUT, TlsSettings, prepare};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

async fn refusal(dialer: Dialer, tls: &TlsSettings) -> PrepareError {
    prepare(&dialer, HOST, 443, tls).await.expect_err("the route must not be proved")
}

/// Waits for what the runtime will hear of soon.
async fn until(mut condition: impl FnMut() -> bool) {
    let watchdog = tokio::time::timeout(Duration::from_secs(20), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    watchdog.await.expect("the condition never held");
}

#[tokio::test]
async fn the_listener_is_dialed_and_the_endpoint_is_verified() {
    let authority = Authority::new();
    let (names, mut seen) = mpsc::unbounded_channel();
    let address = serve_tls(&authority, &[HOST], move |mut stream| {
        let names = names.clone();
        async move {
            names.send(stream.get_ref().1.server_name().map(str::to_owned)).unwrap();
            let _ = stream.read_u8().await;
        }
    })
    .await;
    let waiting = prepared(&authority, address).await;
    assert_eq!(waiting.host(), HOST);
    assert_eq!(seen.recv().await.unwrap().as_deref(), Some(HOST));
}

#[tokio::test]
async fn a_certificate_covers_what_it_names_and_nothing_else() {
    let authority = Authority::new();
    let address = serve_tls(&authority, &[HOST, "*.api.aws"], |mut stream| async move {
        let _ = stream.read_u8().await;
    })
    .await;
    let waiting = prepared(&authority, address).await;
    assert!(waiting.covers(HOST));
    assert!(waiting.covers(&HOST.to_uppercase()));
    assert!(waiting.covers("x.api.aws"));
    assert!(!waiting.covers("ssmmessages.us-east-1.amazonaws.com"));
    assert!(!waiting.covers("x.y.api.aws"));
    assert!(!waiting.covers("not a name"));
}

#[tokio::test]
async fn a_certificate_for_another_name_says_for_which() {
    let authority = Authority::new();
    let address = serve_tls(&authority, &["db.corp.example", "10.1.2.3"], |_| async {}).await;
    let error = refusal(Dialer::Listener(address), &authority.trusted()).await;
    let PrepareError::WrongName { presented, .. } = &error else { panic!("{error:?}") };
    assert!(presented.contains(&"db.corp.example".to_owned()), "{presented:?}");
    assert!(error.leads_elsewhere());
    assert!(error.to_string().contains("it is for db.corp.example"), "{error}");
}

#[tokio::test]
async fn an_untrusted_issuer_is_told_from_a_foreign_server() {
    let (authority, other) = (Authority::new(), Authority::new());
    let right_name = serve_tls(&other, &[HOST], |_| async {}).await;
    let error = refusal(Dialer::Listener(right_name), &authority.trusted()).await;
    assert!(matches!(error, PrepareError::UnknownIssuer { .. }), "{error:?}");
    assert!(!error.leads_elsewhere());
    let wrong_name = serve_tls(&other, &["db.corp.example"], |_| async {}).await;
    let error = refusal(Dialer::Listener(wrong_name), &authority.trusted()).await;
    assert!(matches!(error, PrepareError::WrongName { .. }), "{error:?}");
}

#[tokio::test]
async fn a_far_end_without_tls_is_recognised() {
    let tls = Authority::new().trusted();
    for banner in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "220 mail ready\r\n"] {
        let address = serve(move |mut stream: TcpStream| async move {
            stream.write_all(banner.as_bytes()).await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
        })
        .await;
        let error = refusal(Dialer::Listener(address), &tls).await;
        assert!(matches!(error, PrepareError::NotTls { .. }), "{banner}: {error:?}");
        assert!(error.leads_elsewhere());
    }
}

#[tokio::test]
async fn closed_before_tls_and_during_tls_are_told_apart() {
    let tls = Authority::new().trusted();
    let at_once = serve(|stream: TcpStream| async move { drop(stream) }).await;
    let error = refusal(Dialer::Listener(at_once), &tls).await;
    assert!(matches!(error, PrepareError::ClosedBeforeTls { .. }), "{error:?}");
    let half_a_record = serve(|mut stream: TcpStream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        stream.write_all(&[0x16, 3, 3, 0, 80, 2]).await.unwrap();
    })
    .await;
    let error = refusal(Dialer::Listener(half_a_record), &tls).await;
    assert!(matches!(error, PrepareError::ClosedDuringTls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_silent_far_end_times_out() {
    let tls = Authority::new().trusted();
    let (hello, heard) = oneshot::channel();
    let hello = std::sync::Mutex::new(Some(hello));
    let address = serve(move |mut stream: TcpStream| {
        let hello = hello.lock().unwrap().take();
        async move {
            stream.read_u8().await.unwrap();
            hello.unwrap().send(()).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let attempt = tokio::spawn(async move { refusal(Dialer::Listener(address), &tls).await });
    heard.await.unwrap();
    tokio::time::pause();
    tokio::time::advance(TLS_TIMEOUT).await;
    let error = attempt.await.unwrap();
    assert!(matches!(error, PrepareError::TlsTimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn refused_and_unresolvable_are_told_apart() {
    let tls = Authority::new().trusted();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refusal(Dialer::Listener(closed), &tls).await;
    let PrepareError::Dial(DialError::Refused { address }) = &error else { panic!("{error:?}") };
    assert_eq!(*address, closed.to_string());
    let error = prepare(&Dialer::Direct, "bad..name", 443, &tls).await.unwrap_err();
    assert!(matches!(error, PrepareError::Host { .. }), "{error:?}");
    let error = prepare(&Dialer::Direct, HOST, 443, &TlsSettings::PlainLoopback).await.unwrap_err();
    assert!(matches!(error, PrepareError::Plain { .. }), "{error:?}");
}

#[tokio::test]
async fn a_waiting_connection_tells_when_the_far_end_closes() {
    let authority = Authority::new();
    let (release, released) = oneshot::channel::<()>();
    let released = std::sync::Arc::new(tokio::sync::Mutex::new(Some(released)));
    let address = serve_tls(&authority, &[HOST], move |stream| {
        let released = std::sync::Arc::clone(&released);
        async move {
            released.lock().await.take().unwrap().await.unwrap();
            drop(stream);
        }
    })
    .await;
    let waiting = prepared(&authority, address).await;
    // The server's session tickets arrive meanwhile; they are not an end.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_closed());
    release.send(()).unwrap();
    until(|| waiting.is_closed()).await;
}

/// Serves CONNECT: records the request, then tunnels to `target` or sends `answer`.
async fn proxy(target: SocketAddr, answer: &'static str, requests: mpsc::UnboundedSender<String>) -> SocketAddr {
    serve(move |mut stream: TcpStream| {
        let requests = requests.clone();
        async move {
            requests.send(read_request(&mut stream).await).unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.contains(" 200 ") {
                let mut far = TcpStream::connect(target).await.unwrap();
                far.set_nodelay(true).unwrap();
                let _ = copy_bidirectional(&mut stream, &mut far).await;
            }
        }
    })
    .await
}

async fn through_proxy(answer: &'static str) -> (Result<Prepared, PrepareError>, String) {
    let authority = Authority::new();
    let target = serve_tls(&authority, &[HOST], |mut stream| async move {
        let _ = stream.read_u8().await;
    })
    .await;
    let (sender, mut requests) = mpsc::unbounded_channel();
    let address = proxy(target, answer, sender).await;
    let url = ProxyUrl::parse(&format!("http://bob:hunter2@{address}")).unwrap();
    let result = prepare(&Dialer::HttpProxy(url), HOST, 443, &authority.trusted()).await;
    (result, requests.recv().await.unwrap())
}

#[tokio::test]
async fn an_http_proxy_is_asked_with_its_password() {
    let (result, request) = through_proxy("HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n").await;
    assert_eq!(result.unwrap().host(), HOST);
    let expected =
        format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\nProxy-Authorization: Basic Ym9iOmh1bnRlcjI=\r\n\r\n");
    assert_eq!(request, expected);
}

#[tokio::test]
async fn a_proxys_refusal_carries_its_status_and_no_password() {
    let (result, _) = through_proxy("HTTP/1.1 407 Log in\u{1b}[31m\r\nContent-Length: 0\r\n\r\n").await;
    let error = result.unwrap_err();
    let PrepareError::Dial(DialError::ProxyRefused { status, reason, .. }) = &error else { panic!("{error:?}") };
    assert_eq!((*status, reason.as_str()), (407, "Log in\\u{1b}[31m"));
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("Ym9i"), "{shown}");
}

#[tokio::test]
async fn a_proxy_that_is_none_is_recognised() {
    for answer in ["SSH-2.0-x\r\n\r\n", "", "HTTP/1.1 200 OK\r\n\r\nchatter"] {
        let (result, _) = through_proxy(answer).await;
        let error = result.unwrap_err();
        assert!(matches!(error, PrepareError::Dial(DialError::ProxyBroken { .. })), "{answer}: {error:?}");
    }
}

#[tokio::test]
async fn a_silent_proxy_times_out() {
    let tls = Authority::new().trusted();
    let (asked, heard) = oneshot::channel();
    let asked = std::sync::Mutex::new(Some(asked));
    let address = serve(move |mut stream: TcpStream| {
        let asked = asked.lock().unwrap().take();
        async move {
            read_request(&mut stream).await;
            asked.unwrap().send(()).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let proxy = ProxyUrl::parse(&address.to_string()).unwrap();
    let attempt = tokio::spawn(async move { refusal(Dialer::HttpProxy(proxy), &tls).await });
    heard.await.unwrap();
    tokio::time::pause();
    tokio::time::advance(CONNECT_TIMEOUT).await;
    let error = attempt.await.unwrap();
    assert!(matches!(&error, PrepareError::Dial(DialError::TimedOut { address: at }) if *at == address.to_string()));
}
