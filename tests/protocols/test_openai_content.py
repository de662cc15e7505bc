import base64

import pytest

from app.errors import InvalidRequest
from app.protocols.openai_content import text_of, to_blocks
from app.protocols.openai_models import AudioPart, FilePart, FileSource, ImagePart, ImageUrl, RefusalPart, TextPart
from tests.protocols.pictures import PICTURES, encoded, png

PNG = encoded(png())
PDF = base64.b64encode(b"%PDF-1.7 ...").decode()
TEXT = base64.b64encode("Grüße,\nWelt".encode()).decode()


def image(url: str) -> ImagePart:
    return ImagePart(ImageUrl(url))


def file(data: str | None = None, name: str | None = None, file_id: str | None = None) -> FilePart:
    return FilePart(FileSource(data, file_id, name))


def refused(part: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        to_blocks([TextPart("before"), part], "messages[3].content")
    return raised.value


# ---- text


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (None, []),
        ("", []),
        (" \n\t", []),
        ("\u00a0\u2003", []),
        ("hi", ["hi"]),
        ("  hi\n", ["  hi\n"]),
        ("\u200b", ["\u200b"]),
        ("a\0b", ["a\0b"]),
        ([], []),
        ([TextPart("a"), TextPart(" "), TextPart("b")], ["a", "b"]),
        ([TextPart("a"), RefusalPart("No."), RefusalPart("")], ["a", "No."]),
    ],
)
def test_text_stays_as_it_is_and_blank_text_gives_no_block(content: object, texts: list[str]):
    assert to_blocks(content, "here") == [{"type": "text", "text": text} for text in texts]


@pytest.mark.parametrize(
    ("content", "text"), [("a", "a"), ("", ""), ([], ""), ([TextPart("a"), TextPart(""), TextPart("b")], "a\n\nb")]
)
def test_texts_of_a_system_message_are_joined_by_lines(content: object, text: str):
    assert text_of(content) == text


def test_parts_keep_their_order():
    blocks = to_blocks([TextPart("a"), image("https://x/y.png"), TextPart("b")], "here")
    assert [block["type"] for block in blocks] == ["text", "image", "text"]


# ---- images


@pytest.mark.parametrize("url", ["https://example.com/a.png", "https://example.com/a?b=c#d", "https://[::1]/é"])
def test_an_https_image_is_passed_on_by_its_address(url: str):
    assert to_blocks([image(url)], "here") == [{"type": "image", "source": {"type": "url", "url": url}}]


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/gif", "image/webp"])
@pytest.mark.parametrize("parameters", ["", ";charset=utf-8", ";name=a.png;x="])
def test_an_image_in_a_data_url_is_passed_on_whole(media_type: str, parameters: str):
    data = encoded(PICTURES[media_type]())
    (block,) = to_blocks([image(f"data:{media_type}{parameters};base64,{data}")], "here")
    assert block == {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def test_media_types_are_compared_without_regard_to_case():
    (block,) = to_blocks([image(f"data:IMAGE/Png;base64,{PNG}")], "here")
    assert block["source"]["media_type"] == "image/png"


def test_white_space_within_base64_is_let_be():
    broken = f"{PNG[:4]}\r\n {PNG[4:]}\n"
    (block,) = to_blocks([image(f"data:image/png;base64,{broken}")], "here")
    assert block["source"]["data"] == PNG


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "must be an https: or a data: URL"),
        ("http://example.com/a.png", "must be an https: or a data: URL"),
        ("file:///etc/passwd", "must be an https: or a data: URL"),
        ("/etc/passwd", "must be an https: or a data: URL"),
        ("@/etc/passwd", "must be an https: or a data: URL"),
        (" https://example.com/a.png", "must be an https: or a data: URL"),
        ("data:", "must be a data: URL such as"),
        ("data:image/png", "must be a data: URL such as"),
        ("data:image/png,abc", "must be a data: URL such as"),
        (f"data:image/png;base64;{PNG}", "must be a data: URL such as"),
        (f"data:image;base64,{PNG}", "must be a data: URL such as"),
        ("data:image/png;base64,", "is empty"),
        ("data:image/png;base64, \n", "is empty"),
        ("data:image/png;base64,iVBO=Rw0", "not valid base64"),
        ("data:image/png;base64,iVBORw", "not valid base64"),
        ("data:image/png;base64,iV-_Rw0K", "not valid base64"),
        ("data:image/png;base64,%69VBO", "not valid base64"),
        ("data:image/png;base64,é", "not valid base64"),
        ("data:image/png;base64,\0\0\0\0", "not valid base64"),
        (f"data:image/svg+xml;base64,{PNG}", "images of type image/svg+xml are not taken; use one of image/jpeg"),
        (f"data:;base64,{PNG}", "images of type text/plain are not taken"),
        (f"data:text/html;base64,{PNG}", "images of type text/html are not taken"),
    ],
)
def test_a_bad_image_is_refused_and_named(url: str, said: str):
    error = refused(image(url))
    assert (error.param, error.code) == ("messages[3].content[1].image_url.url", "invalid_value")
    assert said in str(error)


# threat 66: a hostile address costs no more than its length
def test_a_very_long_data_url_is_decided_in_no_time():
    for url in (
        "data:image/png" + ";a=" * 200_000,
        "data:" + "a" * 1_000_000,
        "data:image/png;base64," + "A" * 3_000_001,
    ):
        refused(image(url))


# ---- files


@pytest.mark.parametrize(
    ("name", "titled"),
    [(None, {}), ("", {}), ("report.pdf", {"title": "report.pdf"}), ("@/etc/x", {"title": "@/etc/x"})],
)
def test_a_pdf_becomes_a_document_with_its_name(name: str | None, titled: dict[str, str]):
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    blocks = to_blocks([file(f"data:application/pdf;base64,{PDF}", name)], "here")
    assert blocks == [{"type": "document", "source": source} | titled]


@pytest.mark.parametrize(
    "head",
    [
        "data:text/plain",
        "data:text/markdown;charset=utf-8",
        "data:text/csv",
        "data:application/json",
        "data:application/xml",
        "data:application/yaml",
        "data:",
    ],
)
def test_a_text_file_becomes_a_document_of_text(head: str):
    source = {"type": "text", "media_type": "text/plain", "data": "Grüße,\nWelt"}
    assert to_blocks([file(f"{head};base64,{TEXT}")], "here") == [{"type": "document", "source": source}]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "must be a data: URL"),
        ("", "must be a data: URL"),
        (PDF, "must be a data: URL"),
        ("https://example.com/a.pdf", "must be a data: URL"),
        ("data:application/pdf;base64,", "is empty"),
        ("data:application/pdf;base64,=", "not valid base64"),
        (f"data:application/zip;base64,{PDF}", "files of type application/zip are not taken; use PDF or text"),
        (f"data:image/png;base64,{PNG}", "files of type image/png are not taken"),
        ("data:text/plain;base64,/w==", "not UTF-8"),
        ("data:text/plain;base64,7aCA", "not UTF-8"),
        ("data:text/plain;base64,IAo=", "is empty"),
    ],
)
def test_a_bad_file_is_refused_and_named(data: str | None, said: str):
    error = refused(file(data, "a.pdf"))
    assert (error.param, error.code) == ("messages[3].content[1].file.file_data", "invalid_value")
    assert said in str(error)


def test_a_file_that_was_uploaded_elsewhere_is_refused():
    error = refused(file(f"data:application/pdf;base64,{PDF}", file_id="file-1"))
    assert (error.param, error.code) == ("messages[3].content[1].file.file_id", "unsupported_parameter")


def test_audio_is_refused():
    error = refused(AudioPart({"data": "", "format": "wav"}))
    assert (error.param, error.code) == ("messages[3].content[1]", "unsupported_parameter")
