"""A store in an S3 bucket, through boto3: Amazon's own, or any other that honours conditional writes."""

from __future__ import annotations

import re
import threading
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from graft.errors import BadInput, DiskFull, Transient
from graft.manifest import disk_full, is_disk_full, says_disk_full
from graft.storage.store import CHUNK, Stat, checked

PART = 16 * 2**20  # bytes; what is larger goes up and down in parts of this size, several at once
AT_ONCE = 8
TRIES = 6
MOST = 5 * 2**30  # bytes of one conditional write, by S3's own limit
GONE = {"404", "NoSuchKey", "NotFound"}
TAKEN = {"412", "PreconditionFailed"}
BUSY = {"409", "ConditionalRequestConflict"}
FULL = {"507", "XMinioStorageFull", "QuotaExceeded"}
REFUSED = {"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}


class S3Store:
    """Every object lies in `bucket` below `prefix`.

    Credentials, region and endpoint are boto3's own business (`AWS_PROFILE`, `AWS_ENDPOINT_URL_S3` and so on). Every
    upload carries its sha256, by which the other side compares what has arrived; a download is compared with it. Faults
    of network and server are tried again, each time after a longer wait, before they are said.
    """

    def __init__(self, bucket: str, prefix: str = "", encryption: str = "", client: Any = None) -> None:
        self.bucket, self.prefix = bucket, f"{checked(prefix)}/" if prefix else ""
        self._extra = {"ChecksumAlgorithm": "SHA256"} | ({"ServerSideEncryption": encryption} if encryption else {})
        self._client, self._lock = client, threading.Lock()

    def __str__(self) -> str:
        """Return where it lies, as it is written in the settings."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def get(self, key: str) -> bytes:
        """Return an object; raises FileNotFoundError when there is none."""
        with self._said(key):
            found = self.client.get_object(Bucket=self.bucket, Key=self._key(key), ChecksumMode="ENABLED")
            return bytes(found["Body"].read())

    def chunks(self, key: str) -> Iterator[bytes]:
        """Stream an object's content piece by piece; raises FileNotFoundError when there is none."""
        with self._said(key):
            body = self.client.get_object(Bucket=self.bucket, Key=self._key(key), ChecksumMode="ENABLED")["Body"]
            yield from body.iter_chunks(CHUNK)

    def download(self, key: str, path: Path) -> None:
        """Stream an object into a file, in parts; raises FileNotFoundError when there is none."""
        try:
            with self._said(key):
                self.client.download_file(self.bucket, self._key(key), str(path), Config=_transfer())
        except OSError as error:
            raise disk_full(path) if is_disk_full(error) else error from error

    def put(self, key: str, content: bytes | Path) -> None:
        """Write an object, in place of an older one; a large file goes up in parts."""
        place = {"Bucket": self.bucket, "Key": self._key(key)}
        with self._said(key):
            if isinstance(content, Path):
                self.client.upload_file(str(content), *place.values(), ExtraArgs=self._extra, Config=_transfer())
            else:
                self.client.put_object(**place, Body=content, **self._extra)

    def put_if_absent(self, key: str, content: bytes | Path) -> bool:
        """Write an object in one piece unless the key is taken; raises BadInput for one of more than 5 GiB.

        A write whose answer was lost is tried again and then finds the key taken, by itself: its mark says so.
        """
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        if size > MOST:
            raise BadInput(f"{key}: {size / 2**30:.1f} GiB cannot be written on a condition; S3's limit is 5 GiB")
        place, mark = {"Bucket": self.bucket, "Key": self._key(key)}, uuid4().hex
        for _ in range(TRIES):
            try:
                with self._said(key), _opened(content) as body:
                    self.client.put_object(**place, Body=body, IfNoneMatch="*", Metadata={"mark": mark}, **self._extra)
                return True
            except _Taken:
                return self._mark(key) == mark
            except _Busy:  # another writer was at it in the same moment, and whether it won is not known yet
                continue
        raise Transient(f"{self}/{key}: {TRIES} times another writer was at it; try again")

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        with self._said(key):
            self.client.delete_object(Bucket=self.bucket, Key=self._key(key))

    def stat(self, key: str) -> Stat | None:
        """Return the facts of an object, or None when there is none."""
        found = self._head(key)
        return None if found is None else Stat(int(found["ContentLength"]), _sha256(found), *_md5(found))

    def list(self, folder: str = "", after: str = "") -> tuple[str, ...]:
        """Return every key below a folder, in order; with `after` those that come after that key."""
        below = self.prefix + (f"{checked(folder)}/" if folder else "")
        begin = {"StartAfter": self._key(after)} if after else {}
        with self._said(folder):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=below, **begin)
            keys = [one["Key"].removeprefix(self.prefix) for page in pages for one in page.get("Contents", ())]
        return tuple(sorted(key for key in keys if not any(part.startswith(".") for part in key.split("/"))))

    def now(self) -> datetime:
        """Return what time it is there, to the second; raises BadInput when the bucket is missing or closed to us."""
        with self._said(""):
            found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.prefix}probe/", MaxKeys=1)
        return parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])

    @property
    def client(self) -> Any:
        """The boto3 client, made when it is first needed."""
        with self._lock:
            if self._client is None:
                self._client = _connect()
            return self._client

    def _key(self, key: str) -> str:
        return self.prefix + checked(key)

    def _head(self, key: str) -> Any:
        try:
            with self._said(key):
                return self.client.head_object(Bucket=self.bucket, Key=self._key(key), ChecksumMode="ENABLED")
        except FileNotFoundError:
            return None

    def _mark(self, key: str) -> str | None:
        found = self._head(key)
        return None if found is None else found["Metadata"].get("mark")

    @contextmanager
    def _said(self, key: str) -> Iterator[None]:
        """Turn what boto3 raises into what a store raises."""
        from boto3.exceptions import S3UploadFailedError
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConfigParseError,
            InvalidRegionError,
            NoCredentialsError,
            NoRegionError,
            ParamValidationError,
            PartialCredentialsError,
            ProfileNotFound,
        )

        place = f"{self}/{key}".rstrip("/")
        try:
            yield
        except ClientError as error:
            raise self._translated(error, key, place) from error
        except S3UploadFailedError as error:  # it wraps what happened
            cause = error.__context__ if isinstance(error.__context__, ClientError) else None
            raise self._translated(cause, key, place) if cause else Transient(f"{place}: {_words(error)}") from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise self._forbidden(place, _words(error)) from error
        except (ProfileNotFound, InvalidRegionError, NoRegionError, ParamValidationError, ConfigParseError) as error:
            raise self._misset(place, _words(error)) from error
        except ValueError as error:  # so botocore refuses the address of a store
            if not str(error).startswith("Invalid endpoint"):
                raise
            raise self._misset(place, _words(error)) from error
        except BotoCoreError as error:
            raise Transient(f"{place}: {_words(error)}; nothing was half-written, try again") from error

    def _translated(self, error: Any, key: str, place: str) -> Exception:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        known = {code, status}
        if code == "NoSuchBucket":
            return BadInput(f"{place}: there is no bucket '{self.bucket}'", advice="Create it, or name another.")
        if known & GONE:
            return FileNotFoundError(place)
        if known & TAKEN:
            return _Taken(place)
        if known & BUSY:
            return _Busy(place)
        if code == "RequestTimeTooSkewed":
            return BadInput(f"{place}: the clock of this machine is wrong: {_words(error)}", advice="Set it, by NTP.")
        if known & FULL or says_disk_full(_words(error)):
            return DiskFull(
                f"{place}: the store has no room: {_words(error)}",
                advice="Nothing half-written was kept. Make room there and run the same command again.",
            )
        if known & REFUSED:
            return self._forbidden(place, _words(error))
        if status.startswith("5") or code in ("SlowDown", "RequestTimeout"):
            return Transient(
                f"{place}: {_words(error)}; {TRIES} tries; the store's own log says why: is its disk full?"
            )
        return BadInput(f"{place}: the store refused: {_words(error)}")

    def _misset(self, place: str, words: str) -> BadInput:
        return BadInput(
            f"{place}: the store cannot be asked: {words}",
            advice="Set right what is wrong there: the bucket's name, AWS_ENDPOINT_URL_S3 (http://HOST:PORT), "
            "AWS_PROFILE or AWS_DEFAULT_REGION.",
        )

    def _forbidden(self, place: str, words: str) -> BadInput:
        return BadInput(
            f"{place}: the store refused the credentials: {words}",
            advice="They come from the environment or ~/.aws, as boto3 reads them (AWS_PROFILE, AWS_ACCESS_KEY_ID and "
            "so on); the store's address from AWS_ENDPOINT_URL_S3. Set them right and run the same command again: what "
            "was done is kept.",
        )


def _sha256(found: Mapping[str, Any]) -> str | None:
    """Return the digest of an object that went up in one piece; what went up in parts has one of its parts' digests."""
    kept, tag = str(found.get("ChecksumSHA256", "")), str(found.get("ETag", ""))
    return b64decode(kept).hex() if kept and "-" not in kept + tag else None


def _md5(found: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the ETag as the md5 it is, or as that of parts; under a key of the bucket's own it is neither."""
    tag = str(found.get("ETag", "")).strip('"')
    if found.get("ServerSideEncryption") not in (None, "AES256") or "SSECustomerAlgorithm" in found:
        return None, None
    whole, parts = re.fullmatch(r"[0-9a-f]{32}", tag), re.fullmatch(r"[0-9a-f]{32}-[0-9]+", tag)
    return tag if whole else None, tag if parts else None


class _Taken(Exception):
    pass


class _Busy(Exception):
    pass


@contextmanager
def _opened(content: bytes | Path) -> Iterator[Any]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as stream:
        yield stream


def _connect() -> Any:
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": TRIES}
    # a session of its own: the shared one keeps the first credentials that it found
    return boto3.Session().client("s3", config=Config(retries=retries, connect_timeout=5, read_timeout=60))


def _transfer() -> Any:
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=AT_ONCE)


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
