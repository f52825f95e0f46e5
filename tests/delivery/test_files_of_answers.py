"""What an answer by mail brings, as the mail programs of this world write it: texts and files, wherever they are."""

import pytest

from convstore.delivery.inbound import answer, parse

_PDF = "Content-Type: application/pdf; name=list.pdf\nContent-Disposition: attachment; filename=list.pdf\n\n%PDF\n"


def _mail(kind: str, *parts: str) -> bytes:
    """Write a mail whose parts lie side by side; what follows a part's headers is its content."""
    lines = f"From: ann@example.org\nMessage-ID: <1@x.org>\nMIME-Version: 1.0\n{_together(kind, 'A', *parts)}"
    return lines.replace("\n", "\r\n").encode()


def _together(kind: str, boundary: str, *parts: str) -> str:
    inside = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{kind}; boundary={boundary}\n\n{inside}--{boundary}--\n"


def _picture(size: int, more: str = "Content-ID: <1>\n") -> str:
    return f"Content-Type: image/png; name=p.png\nContent-Disposition: inline\n{more}\n{'x' * size}"


_PLAIN = "Content-Type: text/plain\n\nSee the list."
_HTML = "Content-Type: text/html\n\n<p>See the list.</p>"


@pytest.mark.parametrize(
    ("mail", "text", "names"),
    [
        pytest.param(_mail("mixed", _PLAIN, _PDF), "See the list.", ["list.pdf"], id="beside the text"),
        pytest.param(
            _mail("alternative", _PLAIN, _together("mixed", "B", _HTML, _PDF, "Content-Type: text/html\n\n<br>")),
            "See the list.",
            ["list.pdf"],
            id="Apple Mail: within the alternative in HTML",
        ),
        pytest.param(
            _mail("mixed", _PLAIN, _picture(10, ""), "Content-Type: text/plain\n\nAnd this one."),
            "See the list.\nAnd this one.",
            ["p.png"],
            id="iPhone: a picture between two texts",
        ),
        pytest.param(
            _mail("mixed", _together("related", "B", _HTML, _picture(10), _picture(20_000)), _PDF),
            "See the list.",
            ["p.png", "list.pdf"],
            id="a logo, and a picture that somebody put into his text",
        ),
        pytest.param(
            _mail("signed", _PLAIN, "Content-Type: application/pgp-signature; name=signature.asc\n\nxx"),
            "See the list.",
            [],
            id="signed",
        ),
        pytest.param(
            _mail("mixed", _PLAIN, "Content-Type: message/rfc822\n\nSubject: x\n\ninner"),
            "See the list.",
            [""],
            id="a mail that was attached is a file",
        ),
        pytest.param(_mail("mixed"), "", [], id="nothing at all"),
    ],
)
def test_text_and_files_are_found(mail: bytes, text: str, names: list[str]) -> None:
    found = answer(parse(mail))
    assert found is not None
    assert (text, names) == (
        "\n".join(line for line in found.text.splitlines() if line),
        [file.name for file in found.files],
    )
