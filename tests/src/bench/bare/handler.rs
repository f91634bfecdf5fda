//! A bare handler of actix-web.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, get};

use crate::Failure;
use crate::service::{Answer, memory_bytes};

/// The path that it answers.
pub(crate) const SERVED: &str = "/v1/scores/by-code";

/// The bytes of every answer.
struct Body {
    content_type: String,
    bytes: Bytes,
}

#[get("/v1/scores/by-code")]
async fn bare(body: Data<Body>) -> HttpResponse {
    HttpResponse::Ok().content_type(body.content_type.as_str()).body(body.bytes.clone())
}

/// Prints its address and answers with the bytes of standard input until the process is ended.
pub(super) fn serve(content_type: &str) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    let body = Data::new(Body { content_type: content_type.to_owned(), bytes: bytes.into() });
    let server = HttpServer::new(move || App::new().app_data(body.clone()).service(bare)).bind(("127.0.0.1", 0))?;
    let address = server.addrs().first().copied().ok_or("no address")?;
    writeln!(io::stdout(), "{address}")?;
    actix_web::rt::System::new().block_on(server.run())?;
    Ok(())
}

/// A running bare handler.
pub(crate) struct Handler {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Handler {
    /// Starts one that answers with the body of an answer.
    pub(crate) fn start(answer: &Answer) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare", "handler", &answer.content_type]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().ok_or("no input")?.write_all(answer.body.as_bytes())?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse()? })
    }

    /// Returns the peak of its memory in bytes.
    pub(crate) fn peak_bytes(&self) -> Result<f64, Failure> {
        memory_bytes(&self.child.id().to_string(), "VmHWM")
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
