use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use super::*;

/// `printf '0123456789abcdef' | md5sum`, and sha256sum.
const CONTENT: &[u8] = b"0123456789abcdef";
const MD5: Checksum = Checksum::Md5("4032af8d61035123906e58e067140cc5");
const SHA256: Checksum =
    Checksum::Sha256("9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f");

/// What the server does with one request.
#[derive(Clone, Copy)]
enum Answer {
    /// Sends the range asked for, or the whole.
    Obedient,
    /// The same, but hangs up after this many bytes.
    Broken(usize),
    /// Sends the whole, whatever was asked for.
    NoRanges,
    /// 404.
    Missing,
    /// 503.
    Busy,
}

/// A loopback server: one answer for each request, then it is gone.
struct Server {
    address: String,
    ranges: Arc<Mutex<Vec<Option<usize>>>>,
}

impl Server {
    fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file", listener.local_addr().unwrap());
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ranges);
        thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let range = read_range(&stream);
                seen.lock().unwrap().push(range);
                reply(stream, answer, range);
            }
        });
        Self { address, ranges }
    }

    /// First bytes asked for so far; `None` is a request for the whole.
    fn ranges(&self) -> Vec<Option<usize>> {
        self.ranges.lock().unwrap().clone()
    }
}

fn read_range(stream: &TcpStream) -> Option<usize> {
    let lines = BufReader::new(stream).lines().map(|line| line.unwrap().to_lowercase());
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let range = headers.iter().find_map(|line| line.strip_prefix("range: bytes="))?;
    range.strip_suffix('-')?.parse().ok()
}

fn reply(mut stream: TcpStream, answer: Answer, range: Option<usize>) {
    let total = CONTENT.len();
    let (status, start) = match (answer, range) {
        (Answer::Missing, _) => ("404 Not Found".to_owned(), total),
        (Answer::Busy, _) => ("503 Service Unavailable".to_owned(), total),
        (Answer::NoRanges, _) | (_, None) => ("200 OK".to_owned(), 0),
        (_, Some(start)) if total <= start => ("416 Range Not Satisfiable".to_owned(), total),
        (_, Some(start)) => {
            let range = format!("Content-Range: bytes {start}-{}/{total}", total - 1);
            (format!("206 Partial Content\r\n{range}"), start)
        }
    };
    let body = &CONTENT[start..];
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let sent = if let Answer::Broken(count) = answer { count.min(length) } else { length };
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..sent]).unwrap();
}

fn place() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/file.bin");
    let part = folder.path().join("deep/file.bin.part");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    (folder, path, part)
}

#[track_caller]
fn check(answers: Vec<Answer>, left_over: &[u8], ranges: &[Option<usize>]) {
    let (_folder, path, part) = place();
    if !left_over.is_empty() {
        fs::write(&part, left_over).unwrap();
    }
    let server = Server::start(answers);
    download(&server.address, &path, MD5).unwrap();
    assert_eq!(fs::read(&path).unwrap(), CONTENT);
    assert!(!part.exists());
    assert_eq!(server.ranges(), ranges);
}

#[test]
fn whole_transfer_is_renamed() {
    check(vec![Answer::Obedient], b"", &[None]);
}

#[test]
fn broken_transfer_goes_on_where_it_stopped() {
    let answers = vec![Answer::Broken(5), Answer::Broken(4), Answer::Obedient];
    check(answers, b"", &[None, Some(5), Some(9)]);
}

#[test]
fn a_busy_server_is_asked_again() {
    check(vec![Answer::Busy, Answer::Obedient], b"", &[None, None]);
}

#[test]
fn earlier_part_is_resumed() {
    check(vec![Answer::Obedient], b"0123456", &[Some(7)]);
}

#[test]
fn server_without_ranges_starts_over() {
    check(vec![Answer::NoRanges], b"0123456", &[Some(7)]);
}

#[test]
fn whole_part_is_only_checked() {
    check(vec![Answer::Obedient], CONTENT, &[Some(16)]);
}

#[track_caller]
fn check_error(answers: Vec<Answer>, checksum: Checksum, message: &str, kept: Option<&[u8]>) {
    let (_folder, path, part) = place();
    let server = Server::start(answers);
    let error = format!("{:#}", download(&server.address, &path, checksum).unwrap_err());
    assert!(error.contains(message), "{error}");
    assert!(!path.exists());
    assert_eq!(fs::read(&part).ok().as_deref(), kept);
}

#[test]
fn wrong_checksum_leaves_nothing() {
    let wrong = Checksum::Sha256("00");
    check_error(vec![Answer::Obedient], wrong, "should have sha256 00, but has 9f9f5111", None);
}

#[test]
fn hopeless_transfer_keeps_its_part() {
    // The first attempt gains five bytes, the others none.
    let answers = [vec![Answer::Broken(5)], vec![Answer::Broken(0); 3]].concat();
    check_error(answers, MD5, "broke off at 5 of 16 bytes", Some(b"01234"));
}

#[test]
fn refusal_is_not_tried_again() {
    check_error(vec![Answer::Missing], MD5, "the server answered 404 Not Found", None);
}

#[test]
fn file_that_is_there_is_checked_and_kept() {
    let (_folder, path, _) = place();
    fs::write(&path, CONTENT).unwrap();
    // Nobody listens on this address: asking would fail.
    download("http://127.0.0.1:9/file", &path, SHA256).unwrap();
    fs::write(&path, b"something else").unwrap();
    let error = format!("{:#}", download("http://127.0.0.1:9/file", &path, SHA256).unwrap_err());
    assert!(error.starts_with("remove the file to get it anew"), "{error}");
}

#[test]
fn copy_is_checked() {
    let (folder, path, part) = place();
    let source = folder.path().join("source");
    fs::write(&source, CONTENT).unwrap();
    assert!(copy(&source, &path, Checksum::Md5("00")).is_err());
    assert!(!path.exists() && !part.exists());
    copy(&source, &path, SHA256).unwrap();
    assert_eq!(fs::read(&path).unwrap(), CONTENT);
}
