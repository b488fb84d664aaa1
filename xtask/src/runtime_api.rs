//! A stand-in for AWS Lambda's runtime interface: hands out events, and keeps what is posted in return.
//!
//! With the standard library alone, for the tests of the executable include this file too.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

/// The longest that a function may take to post something.
const PATIENCE: Duration = Duration::from_secs(120);

/// A runtime interface that is listening.
pub struct RuntimeApi {
    address: String,
    invocations: Sender<Invocation>,
    posts: Receiver<Post>,
}

/// What a function gets when it asks for the next event.
struct Invocation {
    event: String,
    deadline: SystemTime,
}

/// What a function posted.
#[derive(Debug)]
pub struct Post {
    /// `invocation/ID/response`, `invocation/ID/error` or `init/error`; the first invocation's ID is 1.
    pub path: String,
    /// JSON.
    pub body: String,
}

impl RuntimeApi {
    /// Listens at a free port.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (invocations, queue) = channel();
        let (post, posts) = channel();
        let queue = Arc::new(Mutex::new((0, queue)));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (queue, post) = (Arc::clone(&queue), post.clone());
                // A connection that breaks is the function's end; whoever waits for a post hears of it.
                thread::spawn(move || serve(&stream, &queue, &post));
            }
        });
        Ok(Self { address, invocations, posts })
    }

    /// The environment of a function.
    pub fn set_environment(&self, function: &mut Command) {
        function
            .env("AWS_LAMBDA_RUNTIME_API", &self.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "libellus")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512");
    }

    /// Has the function answer `event` within `time`.
    pub fn invoke(&self, event: String, time: Duration) -> io::Result<Post> {
        let invocation = Invocation { event, deadline: SystemTime::now() + time };
        self.invocations.send(invocation).map_err(io::Error::other)?;
        self.posted()
    }

    /// What the function posts next.
    pub fn posted(&self) -> io::Result<Post> {
        self.posts.recv_timeout(PATIENCE).map_err(io::Error::other)
    }
}

/// The event of a request through an HTTP API or a function URL. Its parts are put into JSON as they are.
pub fn http_event(method: &str, path: &str, query: &str, stage: &str) -> String {
    format!(
        r#"{{"version":"2.0","routeKey":"$default","rawPath":"{path}","rawQueryString":"{query}","headers":{{"accept":"*/*","host":"abc.lambda-url.eu-west-1.on.aws","x-forwarded-proto":"https"}},"requestContext":{{"accountId":"123456789012","apiId":"abc","domainName":"abc.lambda-url.eu-west-1.on.aws","http":{{"method":"{method}","path":"{path}","protocol":"HTTP/1.1","sourceIp":"192.0.2.1","userAgent":"test"}},"requestId":"id","routeKey":"$default","stage":"{stage}","time":"25/Nov/2026:07:00:00 +0000","timeEpoch":1795590000000}},"isBase64Encoded":false}}"#
    )
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, queue: &Mutex<(u32, Receiver<Invocation>)>, post: &Sender<Post>) -> io::Result<()> {
    let mut requests = BufReader::new(stream);
    while let Some((path, body)) = read_request(&mut requests)? {
        let path = path.strip_prefix("/2018-06-01/runtime/").unwrap_or(&path);
        let reply = if path == "invocation/next" {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.0 += 1;
            let invocation = queue.1.recv().map_err(io::Error::other)?;
            next_invocation(queue.0, &invocation)
        } else {
            let accepted = Post { path: path.to_owned(), body };
            post.send(accepted).map_err(io::Error::other)?;
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned()
        };
        (&*stream).write_all(reply.as_bytes())?;
    }
    Ok(())
}

fn next_invocation(id: u32, invocation: &Invocation) -> String {
    let deadline = invocation.deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let event = &invocation.event;
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: {id}\r\n\
         Lambda-Runtime-Deadline-Ms: {deadline}\r\nLambda-Runtime-Trace-Id: Root=1-{id}\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:123456789012:function:libellus\r\n\
         Content-Length: {}\r\n\r\n{event}",
        event.len()
    )
}

/// Path and body of the next request; `None` at the end of the connection.
fn read_request(requests: &mut impl BufRead) -> io::Result<Option<(String, String)>> {
    let mut line = String::new();
    if requests.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        requests.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = String::new();
    requests.take(length).read_to_string(&mut body)?;
    Ok(Some((path, body)))
}
