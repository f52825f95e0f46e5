# ruff: noqa: RUF001 - letters of many scripts, some of which look alike, are what this is about
"""How texts and questions are cut and folded, so that people find what they wrote in their own script."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convstore.words import LONGEST, MOST, MOST_ASKED, cut, query_prefixes, tsquery


def finds(question: str, text: str) -> bool:
    words = cut(text)
    return all(any(word.startswith(prefix) for word in words) for prefix in query_prefixes(question))


FOUND = [
    ("epid", "L'épidémie s'étend"),
    ("épid", "L'épidémie s'étend"),
    ("épidémie", "l’épidémie"),
    ("ÉPIDÉMIE", "une epidemie"),
    (unicodedata.normalize("NFD", "épidémie"), unicodedata.normalize("NFC", "épidémie")),
    ("coeur oedeme", "Œdème du cœur"),
    ("strasse", "Hauptstraße Straße"),
    ("ISTANBUL isi", "İstanbul ısı"),
    ("lodz", "Łódź"),
    ("abc", "ＡＢＣ"),
    ("final", "ﬁnal"),
    ("αθηνα", "ΑΘΉΝΑ"),
    ("ΟΔΥΣΣΕΥΣ", "Ὀδυσσεύς"),
    ("елка", "Ёлка"),
    ("مدرسة", "المعلم مُدَرِّسَة"),  # vowel points
    ("مدرسه", "مدرسة"),  # teh marbuta
    ("احمد", "أحمد"),
    ("أحمد", "احمد"),
    ("محمد", "محـــمد"),  # tatweel
    ("علي", "على"),
    ("كتاب", "کتاب"),  # Persian kaf
    ("2026 17", "٢٠٢٦/١٧"),
    ("שלום", "שָׁלוֹם"),
    ("ጤና", "የጤና ጤናማ"),
    ("ኢትዮጵያ", "ሰላም፡ኢትዮጵያ።"),
    ("ሰላም አለም", "ሠላም ዐለም"),
    ("हिन्दी", "हिन्दी में"),
    ("霍乱", "昨天报告霍乱疫情"),
    ("乱", "昨天报告霍乱"),
    ("报告霍乱疫情", "昨天报告霍乱疫情。"),
    ("covid 病毒", "新型COVID病毒"),
    ("がっこう", "わたしのがっこう"),
    ("ガンガ", "ｶﾞﾝｶﾞ川"),
    ("อหิวาต", "โรคอหิวาตกโรค"),
    ("한국", "한국어로"),
    ("mosquit", "MOSQUITOES"),
    ("12 5", "12.5 %"),
    ("12.5", "12.5 %"),
    ("ann.smith@health.gov.et", "mail Ann.Smith@health.gov.et."),
    ("smith gov", "ann.smith@health.gov.et"),
    ("data_element", "the data element"),
    ("ZjHHSjyyeJ2", "see zjhhsjyyej2"),
    ("coope", "co\u00adope\u00adration"),  # soft hyphens
    ("x", "❤️ x"),
    ("", "anything"),
    ("…!?", "anything"),
]
NOT_FOUND = [
    ("demie", "épidémie"),
    ("épidémies", "épidémie"),
    ("cholera malaria", "cholera only"),
    ("疫霍", "霍乱疫情"),
    ("报告疫情", "报告霍乱疫情"),
    ("人毒", "病毒 人"),
    ("か", "が"),
    ("हिन्दू", "हिन्दी"),
    ("كتب", "كتاب"),
    ("ጤና", "ሰላም"),
    ("x", "❤️"),
    ("a", ""),
    ("13", "12.5"),
]


@pytest.mark.parametrize(("question", "text"), FOUND)
def test_is_found(question: str, text: str) -> None:
    assert finds(question, text)


@pytest.mark.parametrize(("question", "text"), NOT_FOUND)
def test_is_not_found(question: str, text: str) -> None:
    assert not finds(question, text)


def test_words_come_once_each_in_the_order_of_the_text() -> None:
    assert ["l", "epidemie", "de", "cholera"] == cut("L'épidémie de CHOLÉRA, de l'Épidémie")


def test_a_word_begins_at_each_character_where_no_blanks_are_written() -> None:
    assert ["霍乱疫情", "乱疫情", "疫情", "情"] == cut("霍乱疫情")
    assert ["霍乱疫情", "乱疫情了"] == query_prefixes("霍乱疫情了")


def test_a_mark_that_stands_on_nothing_is_no_word() -> None:
    assert [] == cut("\u0e31 \U0001f600\ufe0f \u093e")
    assert [] == query_prefixes("\u0e31")


def test_what_a_longer_prefix_asks_is_not_asked_again() -> None:
    assert ["mortality"] == query_prefixes("mort Mortality MOR")


def test_nothing_is_asked_by_nothing() -> None:
    assert [] == query_prefixes(" …\u200b? ")


def test_the_words_of_a_text_are_limited_in_length_and_number() -> None:
    words = cut(" ".join(f"{number:x<100}" for number in range(MOST + 100)))
    assert MOST == len(words)
    assert {LONGEST} == {len(word) for word in words}
    assert ["a" * LONGEST] == query_prefixes("a" * 100)
    assert MOST_ASKED == len(query_prefixes(" ".join(map(str, range(1000, 2000)))))


def test_the_longest_words_there_can_be_fit_into_a_tsvector() -> None:
    # A tsvector holds less than 1 MB of words: PostgreSQL manual, section 12.11.
    assert MOST * LONGEST * len("\U00020000".encode()) < 2**20


def test_a_question_cannot_break_out_of_its_quotes() -> None:
    assert r"'it''s':* & 'a\\b':*" == tsquery(["it's", r"a\b"])


scripts = st.text(
    st.sampled_from(
        "aAéÉœßıİz09 .'’_@-ΣςёЁـأاإىيةهَّሀሐሠሰዐአጸፀ፡霍乱疫情のがｶﾞโรคอิ한국हिन्दीक़क😀"
        "\u0301\u0308\u3099\u00ad\u200b\u200d\ufe0f"
    ),
    max_size=30,
)
texts = scripts | st.text(max_size=30)


@given(texts)
def test_every_text_is_found_by_itself(text: str) -> None:
    assert finds(text, text)


@given(texts, st.data())
def test_every_word_is_found_by_its_beginning(text: str, data: st.DataObject) -> None:
    for word in cut(text):
        beginning = word[: data.draw(st.integers(1, len(word)))]
        assert any(other.startswith(beginning) for other in cut(text))
        assert finds(beginning, text)


@given(texts, texts)
def test_what_surrounds_a_text_does_not_hide_it(text: str, other: str) -> None:
    assert finds(text, f"{other} {text} {other}")


@given(texts)
def test_normal_forms_and_case_make_no_difference(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert cut(text) == cut(unicodedata.normalize(form, text))
    assert set(cut(text)) == set(cut(text.casefold()))


@given(texts)
def test_words_are_letters_digits_and_their_marks(text: str) -> None:
    for word in cut(text):
        assert word[0].isalnum()
        assert all(char.isalnum() or unicodedata.category(char)[0] == "M" for char in word)
