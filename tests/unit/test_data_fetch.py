"""Files from the network: whole and verified or not at all, and never from the start when it can go on."""

import gzip
import hashlib
import io
import os
import random
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tutelage.data import find as finding
from tutelage.data import mnist, recordings
from tutelage.data.digests import bytes_match, contents_match
from tutelage.data.fetch import fetch

pytestmark = pytest.mark.slow

CONTENT = random.Random(0).randbytes(300_000)
WRONG = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
RIGHT = bytes_match(hashlib.sha256(CONTENT).hexdigest())


class Server:
    """A server of one file that can be slow of wit: how it behaves is set by the test, what it was asked is noted."""

    def __init__(self):
        self.content, self.tag = CONTENT, '"one"'
        self.ranges, self.says_length = True, True
        self.drops = []  # after how many bytes the next answers break off
        self.errors = []  # with which status the next requests are answered
        self.asked = []  # (path, Range)

    def answer(self, request):
        self.asked.append((request.path, request.headers.get("Range")))
        if self.errors:
            request.send_error(self.errors.pop(0))
            return
        begin, changed = 0, request.headers.get("If-Range", self.tag) != self.tag
        if self.ranges and not changed and request.headers.get("Range"):
            begin = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if begin and begin >= len(self.content):
            request.send_error(416)
            return
        body = self.content[begin:]
        request.send_response(206 if begin else 200)
        if begin:
            request.send_header("Content-Range", f"bytes {begin}-{len(self.content) - 1}/{len(self.content)}")
        if self.says_length:
            request.send_header("Content-Length", str(len(body)))
        if self.tag:
            request.send_header("ETag", self.tag)
        request.end_headers()
        request.wfile.write(body[: self.drops.pop(0)] if self.drops else body)


@contextmanager
def serving(server):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_port}/file"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving(Server()) as running:
        yield running


@pytest.fixture
def to(tmp_path):
    return tmp_path / "folder" / "file"


def get(urls, to, check=RIGHT, **more):
    return fetch(urls, to, check=check, **{"patience": 0.001, "timeout": 5.0, **more})


def left(to):
    return sorted(path.name for path in to.parent.iterdir())


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(server, to):
    assert get([server.url], to) == to
    assert to.read_bytes() == CONTENT and left(to) == ["file"] and server.asked == [("/file", None)]


def test_a_file_that_is_there_is_not_fetched(server, to):
    to.parent.mkdir()
    to.write_bytes(b"here")
    assert get([server.url], to).read_bytes() == b"here" and not server.asked


def test_a_broken_connection_is_taken_up_where_it_broke(server, to):
    server.drops = [100_000, 70_000]
    assert get([server.url], to).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=100000-", "bytes=170000-"]


def test_what_a_killed_process_left_is_continued_by_the_next(server, to):
    server.drops = [120_000] + [0] * 9
    with pytest.raises(ConnectionError, match="the connection ended after 120000 of 300000 bytes, tried 2 times"):
        get([server.url], to, attempts=2)
    assert left(to) == ["file.part", "file.part.json"]
    server.drops, server.asked = [], []
    assert get([server.url], to).read_bytes() == CONTENT
    assert server.asked == [("/file", "bytes=120000-")] and left(to) == ["file"]


def test_a_server_without_ranges_sends_it_again_from_the_start(server, to):
    server.ranges, server.drops = False, [100_000]
    assert get([server.url], to).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=100000-"]


def test_a_file_that_changed_meanwhile_is_not_glued_to_the_old_one(server, to):
    server.content, server.drops = b"old" * 100_000, [100_000, 0]
    with pytest.raises(ConnectionError):
        get([server.url], to, attempts=1)
    server.content, server.tag, server.drops = CONTENT, '"two"', []
    assert get([server.url], to).read_bytes() == CONTENT


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_without_a_tag_the_checksum_finds_the_seam_and_it_begins_again(server, to, tag):
    server.tag = tag
    server.content, server.drops = b"old" * 100_000, [100_000, 0]
    with pytest.raises(ConnectionError):
        get([server.url], to, attempts=1)
    server.content, server.drops, server.asked = CONTENT, [], []
    assert get([server.url], to).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == ["bytes=100000-", None]


def test_a_part_that_was_whole_already_is_only_verified(server, to):
    server.drops = [150_000, 0]
    with pytest.raises(ConnectionError):
        get([server.url], to, attempts=1)
    (to.parent / "file.part").write_bytes(CONTENT)  # killed between the last byte and the rename
    assert get([server.url], to).read_bytes() == CONTENT and server.asked[-1] == ("/file", "bytes=300000-")


def test_a_server_that_is_busy_is_asked_again(server, to):
    server.errors = [503, 429, 500]
    assert get([server.url], to).read_bytes() == CONTENT and len(server.asked) == 4


def test_the_next_mirror_is_tried_when_one_has_no_such_file(server, to):
    with serving(Server()) as other:
        other.errors = [404]
        assert get([other.url, server.url], to).read_bytes() == CONTENT
        assert len(other.asked) == 1  # no use in asking again


def test_the_next_mirror_is_tried_when_one_sends_another_file(server, to):
    with serving(Server()) as other:
        other.content = WRONG
        assert get([other.url, server.url], to).read_bytes() == CONTENT


def test_a_part_of_one_mirror_is_not_continued_from_another(server, to):
    with serving(Server()) as other:
        other.drops = [100_000] + [0] * 9
        assert get([other.url, server.url], to, attempts=2).read_bytes() == CONTENT
        assert server.asked == [("/file", None)]


def test_a_part_survives_a_mirror_that_is_down_and_is_asked_for_first(server, to):
    with serving(Server()) as other:
        other.errors, server.drops = [404, 404], [100_000, 0]
        with pytest.raises(ConnectionError):
            get([other.url, server.url], to, attempts=1)
        assert get([other.url, server.url], to).read_bytes() == CONTENT
        assert server.asked[-1] == ("/file", "bytes=100000-") and len(other.asked) == 1


def test_the_wrong_bytes_never_get_the_files_name(server, to):
    server.content = WRONG
    with pytest.raises(ValueError, match=r"sent another file: it has the sha256 .*, expected .* put the file there"):
        get([server.url], to)
    assert not to.exists() and not (to.parent / "file.part").exists()


def test_a_dropped_connection_without_a_length_is_found_by_the_check(server, to):
    server.says_length, server.drops = False, [100_000]
    with pytest.raises(ValueError, match="sent another file"):
        get([server.url], to)
    assert get([server.url], to).read_bytes() == CONTENT


def test_an_unreachable_server_is_named(to):
    with serving(Server()) as gone:
        pass
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1.*: the server cannot be reached .*, tried 2 times"):
        get([gone.url], to, attempts=2)


def test_a_silent_server_counts_as_down(server, to, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(server, "answer", lambda _: release.wait(5))
    with pytest.raises(ConnectionError, match="timed out"):
        get([server.url], to, attempts=1, timeout=0.05)
    release.set()


def test_a_full_disk_is_called_by_its_name(server, to):
    to.parent.mkdir()
    (to.parent / "file.part").symlink_to("/dev/full")  # every write to it fails as on a full disk
    with pytest.raises(OSError, match=r"The disk is full: .*file could not be fetched whole; make room"):
        get([server.url], to)
    assert not to.exists()


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "folder").write_text("not a folder")
    with pytest.raises(PermissionError, match=r"folder cannot be written .*; choose another folder"):
        get([server.url], tmp_path / "folder" / "file")


def test_only_the_web_is_asked(to):
    with pytest.raises(ValueError, match="by http or https; 'file:///etc/passwd' is neither"):
        get(["file:///etc/passwd"], to)


def test_two_at_once_fetch_it_once(server, to):
    threads = [threading.Thread(target=get, args=([server.url], to)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert to.read_bytes() == CONTENT and len(server.asked) == 1


@pytest.mark.parametrize("written", [gzip.compress(CONTENT, 1, mtime=0), gzip.compress(CONTENT, 9, mtime=7)])
def test_zipped_files_are_compared_by_what_is_in_them(tmp_path, written):
    (tmp_path / "x.gz").write_bytes(written)
    contents_match(hashlib.md5(CONTENT).hexdigest(), "md5")(tmp_path / "x.gz")
    with pytest.raises(ValueError, match="its content has the md5"):
        contents_match("0" * 32, "md5")(tmp_path / "x.gz")
    (tmp_path / "x.gz").write_bytes(written[:-20])
    with pytest.raises(ValueError, match="not a sound gzip file"):
        contents_match("0" * 32, "md5")(tmp_path / "x.gz")


class TestMnist:
    """The embedded files, sent by a server on this machine to one that has none."""

    @pytest.fixture
    def bare(self, server, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("TUTELAGE_DATA", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(finding, "_clone", list)
        monkeypatch.setattr(mnist, "MIRRORS", (server.url.removesuffix("file"),))
        embedded, answer = Path(__file__).resolve().parents[2] / "data" / "mnist", server.answer

        def send(request):
            server.content = (embedded / os.path.basename(request.path)).read_bytes()
            answer(request)

        monkeypatch.setattr(server, "answer", send)
        return tmp_path

    def test_what_is_nowhere_is_fetched_once_into_the_cache(self, bare, server):
        train, test = mnist.mnist()
        assert (len(train), len(test), len(server.asked)) == (60000, 10000, 4)
        assert len(list((bare / "cache" / "tutelage" / "mnist").iterdir())) == 4
        assert mnist.mnist()[1].checksum == test.checksum and len(server.asked) == 4

    def test_only_what_is_missing_is_fetched(self, bare, server):
        mnist.mnist()
        folder = bare / "cache" / "tutelage"
        (folder / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
        mnist.mnist(folder)
        assert [path for path, _ in server.asked[4:]] == ["/t10k-labels-idx1-ubyte.gz"]

    @pytest.mark.usefixtures("bare")
    def test_without_a_network_the_sentence_says_where_it_looked_and_what_failed(self, server):
        server.errors = [404]
        with pytest.raises(FileNotFoundError, match=r"none of these has it: .* Fetching it failed too: .* 404"):
            mnist.mnist()


class TestRecordings:
    """A copy of their repository, packed as GitHub does, sent by a server on this machine."""

    WAV = b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\4\0\0\0\1\0\2\0"

    @pytest.fixture
    def bare(self, server, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("TUTELAGE_DATA", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(finding, "_clone", list)
        monkeypatch.setattr(recordings, "URL", server.url)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("repository-26eb9aa/README.md", "which is passed over")
            archive.writestr("repository-26eb9aa/recordings/7_ann_0.wav", self.WAV)
        server.content = packed.getvalue()

    @pytest.mark.usefixtures("bare")
    def test_what_is_nowhere_is_fetched_once(self, server, monkeypatch):
        monkeypatch.setattr(recordings, "CHECKSUM", recordings.checksum_of({"7_ann_0.wav": self.WAV}))
        for _ in range(2):
            (seven,) = recordings.fsdd()
            assert seven[:3] == (7, "ann", 0) and seven.samples.tolist() == [1, 2]
        assert len(server.asked) == 1

    @pytest.mark.usefixtures("bare")
    def test_another_archive_is_not_kept(self, tmp_path):
        with pytest.raises(ValueError, match=r"sent another file: .*published at the commit"):
            recordings.fsdd()
        assert not [x for x in (tmp_path / "cache").rglob("*") if x.suffix == ".zip"]

    @pytest.mark.usefixtures("bare")
    def test_without_a_network_the_sentence_says_where_they_are_to_be_had(self, server):
        server.errors = [404]
        with pytest.raises(FileNotFoundError, match=rf"needs recordings\.zip .* failed too: .*{server.url}"):
            recordings.fsdd()
