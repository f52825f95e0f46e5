"""Reads an answer in XML as the document's schema has it, so that what is checked for JSON is checked for XML as well.

The rules are those of OpenAPI's ``xml`` (https://spec.openapis.org/oas/v3.1.0#xml-object), and those that the document
itself states: lists that are empty and members that are null are left out.

What the schema does not know becomes a member of a name that is in no schema: a closed one then refuses it.
"""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
from lxml import etree

Schema = dict[str, Any]


class Misread(Exception):
    """The answer is not what the document says of answers in XML."""


class XmlReader:
    """Reads answers by the schemas of one document."""

    def __init__(self, components: dict[str, Schema]) -> None:
        self._components = components

    def check(self, body: bytes, schema: Schema) -> None:
        """See that an answer is as described.

        Raises:
            Misread: it is not; says where.
        """
        root = etree.fromstring(body)
        if "anyOf" in schema:
            self._check_root(root, [self._whole(each) for each in schema["anyOf"]])
        else:
            self._check_root(root, [self._whole(schema)])

    def _check_root(self, root: etree._Element, schemas: list[Schema]) -> None:
        wrong = []
        for schema in schemas:
            xml = schema.get("xml", {})
            namespace = f"{{{xml['namespace']}}}" if "namespace" in xml else ""
            if root.tag == f"{namespace}metadata" != f"{namespace}{xml.get('name')}":
                root = _unwrapped(root, f"{namespace}{xml.get('name')}")
            if root.tag != f"{namespace}{xml.get('name')}":
                wrong.append(f"The element is {root.tag}, described is {xml}")
                continue
            try:
                read = self._read(root, schema)
            except ValueError as error:
                wrong.append(str(error))
                continue
            errors = list(self._validator(schema).iter_errors(read))
            if not errors:
                return
            wrong += [f"{error.json_path}: {error.message}" for error in errors]
        raise Misread("; ".join(wrong))

    def _validator(self, schema: Schema) -> jsonschema.Draft202012Validator:
        return jsonschema.Draft202012Validator({**schema, "components": {"schemas": self._components}})

    def _whole(self, schema: Schema) -> Schema:
        """Put a reference, or what is one but for a word or two, in place of what it refers to."""
        if "$ref" in schema:
            found = self._whole(self._components[schema["$ref"].rpartition("/")[2]])
            return {**found, **{name: value for name, value in schema.items() if name != "$ref"}}
        if len(schema.get("allOf", ())) == 1:
            beside = {name: value for name, value in schema.items() if name != "allOf"}
            return {**self._whole(schema["allOf"][0]), **beside}
        return schema

    def _read(self, element: etree._Element, schema: Schema) -> Any:
        """Read an element as what the schema describes."""
        schema = self._whole(schema)
        if "anyOf" in schema:
            return self._any(element, schema["anyOf"])
        if "properties" in schema:
            return self._object(element, schema)
        if len(element) or element.attrib:
            return {_local(child): _text(child) for child in element} | dict(element.attrib)
        return _scalar(element.text or "", schema)

    def _any(self, element: etree._Element, schemas: list[Schema]) -> Any:
        readings = []
        for each in schemas:
            if each == {"type": "null"}:
                continue
            try:
                readings.append(self._read(element, each))
            except ValueError:
                continue
            if self._validator(each).is_valid(readings[-1]):
                return readings[-1]
        if not readings:
            raise ValueError(f"{_local(element)} can be read as none of {schemas}")
        return readings[0]

    def _object(self, element: etree._Element, schema: Schema) -> dict[str, Any]:
        attributes, children = dict(element.attrib), list(element)
        found: dict[str, Any] = {}
        for name, described in schema["properties"].items():
            xml = described.get("xml", {})
            whole = self._whole(described)
            known = xml.get("name", name)
            choices = [each.get("xml", {}) for each in whole.get("anyOf", ())]
            if known in attributes and any(each.get("attribute") for each in (xml, *choices)):
                found[name] = _scalar(attributes.pop(known), self._scalar_of(whole))
            elif xml.get("attribute"):
                continue
            elif whole.get("type") == "array":
                if (values := self._list(children, known, whole, wrapped=xml.get("wrapped", False))) is not None:
                    found[name] = values
                elif name in schema.get("required", ()):
                    found[name] = []
            elif (child := _taken(children, known)) is not None:
                found[name] = self._read(child, described)
            elif name in schema.get("required", ()) and self._validator(described).is_valid(None):
                found[name] = None
        if "href" in schema["properties"]:
            # Stated in the document: the manual's readers follow it.
            attributes.pop("link", None)
        found |= {f"@{name}": value for name, value in attributes.items()}
        return found | {f"<{_local(each)}>": "" for each in children}

    def _list(self, children: list[etree._Element], name: str, schema: Schema, *, wrapped: bool) -> list[Any] | None:
        items = schema["items"]
        item = items.get("xml", {}).get("name") or self._whole(items).get("xml", {}).get("name") or name
        if not wrapped:
            found = [child for child in children if _local(child) == item]
            for child in found:
                children.remove(child)
            return [self._read(child, items) for child in found] or None
        if (wrapper := _taken(children, name)) is None:
            return None
        if strange := [_local(child) for child in wrapper if _local(child) != item]:
            raise ValueError(f"In {name} are {strange}, described is {item}")
        return [self._read(child, items) for child in wrapper]

    def _scalar_of(self, schema: Schema) -> Schema:
        for each in schema.get("anyOf", ()):
            if each != {"type": "null"}:
                return self._whole(each)
        return schema


def _scalar(text: str, schema: Schema) -> Any:
    """Read a text by its type; by that of its one value where no type is named."""
    types = schema.get("type", [])
    for kind in [types] if isinstance(types, str) else types:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
        if kind == "boolean" and text in ("true", "false"):
            return text == "true"
    if isinstance(schema.get("const"), int):
        return json.loads(text)
    return {} if types == "object" and not text else text


def _unwrapped(root: etree._Element, name: str) -> etree._Element:
    """Give a list as it is without ``wrapper=metadata``, whose pager lies beside the list."""
    inner = next(iter(root.iterchildren(name)), None)
    if inner is None:
        raise Misread(f"There is no {name} in {root.tag}")
    for other in reversed([each for each in root if each is not inner]):
        inner.insert(0, other)
    return inner


def _taken(children: list[etree._Element], name: str) -> etree._Element | None:
    found = next((child for child in children if _local(child) == name), None)
    if found is not None:
        children.remove(found)
    return found


def _local(element: etree._Element) -> str:
    return str(etree.QName(element).localname)


def _text(element: etree._Element) -> Any:
    return element.text if not len(element) else list(_texts(element))


def _texts(element: etree._Element) -> Iterator[Any]:
    for child in element:
        yield _text(child)
