"""Recordings as few bytes: quantised, as differences in time, compressed by zlib.

The bytes, in this order, before compression (M bodies, T instants; a body's own past predicts
it best, so bodies lead and time is last; 16-bit numbers as a plane of low and one of high
bytes):

    team_of, size      uint8 [M] each
    x, y               uint16 [M, T] each, differences modulo 2^16
    level              uint8 [M, T], differences modulo 2^8
    alive              bits [M, T], changes, lowest bit first
    group              uint8 [M, T], differences modulo 2^8; 255 is none; absent without groups
    walls              bits [H, W], lowest bit first; absent without walls
    reward             float32 [T, teams], little-endian

Positions of a grid are cells; in a plane one unit is the 65,535th part of the box that holds
every living body and the world. The dead keep their last place. `data.js` is the reader.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from jaxtyping import Bool, Integer, Shaped, UInt8, UInt16

from swarmfield.replay_page.recording import Recording
from swarmfield.types import SwarmfieldError

Header = dict[str, Any]
LAST_UNIT = 65_535


def encode(recording: Recording) -> tuple[Header, bytes]:
    """A recording as a header for JSON and compressed bytes."""
    held = _last_alive(recording.alive)
    origin, unit = _quantisation(recording)
    position = _held(recording.position, held)
    units = np.rint((position - origin) / unit).clip(0, LAST_UNIT).astype(np.uint16)
    level = _held(np.rint(recording.level * 255).astype(np.uint8), held)
    sections = [
        recording.team_of.astype(np.uint8).tobytes(),
        recording.size.astype(np.uint8).tobytes(),
        *(_planes(_differences(units[..., axis].T)) for axis in (0, 1)),
        _differences(level.T).tobytes(),
        _bits(np.diff(recording.alive.T, axis=1, prepend=False)),
    ]
    if recording.group is not None:
        group = _held(recording.group, held).astype(np.uint8)
        sections.append(_differences(group.T).tobytes())
    if recording.walls is not None:
        sections.append(_bits(recording.walls))
    sections.append(recording.reward.astype("<f4").tobytes())
    raw = b"".join(sections)
    return _header(recording, origin, unit, len(raw)), zlib.compress(raw, 6)


def decode(header: Header, compressed: bytes) -> Recording:
    """The recording that `encode` was given, up to quantisation.

    Raises:
        SwarmfieldError: The bytes are damaged.
    """
    try:
        raw = zlib.decompress(compressed)
    except zlib.error as error:
        raise SwarmfieldError(f"The recording is damaged and cannot be read ({error}).") from None
    return _Reader(header, raw).recording()


class _Reader:
    """Takes one section after another."""

    def __init__(self, header: Header, raw: bytes) -> None:
        self.header = header
        self.raw = np.frombuffer(raw, np.uint8)
        self.start = 0
        self.shape = (header["bodies"], header["instants"])

    def recording(self) -> Recording:
        header, (bodies, instants) = self.header, self.shape
        team_of, size = (self._take(bodies).astype(np.int64) for _ in range(2))
        units = np.stack([self._sixteen(), self._sixteen()], axis=-1)
        level = self._eight().astype(np.float32) / np.float32(255)
        alive = np.logical_xor.accumulate(self._unpack(self.shape), axis=1).T
        group = self._eight().astype(np.int64) if header["grouped"] else None
        width, height = (int(side) for side in header["extent"])
        walls = self._unpack((height, width)) if header["walls"] else None
        reward = self._take(4 * instants * len(header["teams"])).view("<f4")
        return Recording(
            title=header["title"],
            extent=tuple(header["extent"]),
            team_names=tuple(header["teams"]),
            team_of=team_of,
            size=size,
            position=units * np.asarray(header["unit"]) + np.asarray(header["origin"]),
            alive=alive,
            level=level,
            reward=reward.reshape(instants, -1),
            walls=walls,
            group=None if group is None else np.where(group == 255, -1, group),
            continuous=header["continuous"],
        )

    def _take(self, count: int) -> UInt8[np.ndarray, " _"]:
        self.start += count
        return self.raw[self.start - count : self.start]

    def _eight(self) -> UInt8[np.ndarray, "T M"]:
        differences = self._take(self.shape[0] * self.shape[1]).reshape(self.shape)
        return np.cumsum(differences, axis=1, dtype=np.uint8).T

    def _sixteen(self) -> UInt16[np.ndarray, "T M"]:
        count = self.shape[0] * self.shape[1]
        low, high = self._take(count).astype(np.uint16), self._take(count).astype(np.uint16)
        differences = (low | high << 8).reshape(self.shape)
        return np.cumsum(differences, axis=1, dtype=np.uint16).T

    def _unpack(self, shape: tuple[int, int]) -> Bool[np.ndarray, "_ _"]:
        count = shape[0] * shape[1]
        packed = self._take(-(-count // 8))
        return np.unpackbits(packed, count=count, bitorder="little").reshape(shape).astype(bool)


def _header(recording: Recording, origin: np.ndarray, unit: np.ndarray, length: int) -> Header:
    return {
        "title": recording.title,
        "extent": list(recording.extent),
        "origin": origin.tolist(),
        "unit": unit.tolist(),
        "teams": list(recording.team_names),
        "instants": recording.num_instants,
        "bodies": recording.num_bodies,
        "grouped": recording.group is not None,
        "walls": recording.walls is not None,
        "continuous": recording.continuous,
        "radius": recording.mark_radius,
        "bytes": length,
    }


def _quantisation(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Origin and unit of positions, for x and y."""
    if not recording.continuous:
        return np.zeros(2), np.ones(2)
    extent = np.asarray(recording.extent, np.float64)
    places = recording.position[recording.alive].astype(np.float64)
    corners = np.concatenate([places, np.zeros((1, 2)), extent[None]])
    origin = corners.min(axis=0)
    return origin, (corners.max(axis=0) - origin) / LAST_UNIT


def _last_alive(alive: Bool[np.ndarray, "T M"]) -> Integer[np.ndarray, "T M"]:
    """For each body and instant the last instant it was alive, else the first it will be."""
    instants = np.arange(len(alive))[:, None]
    last = np.maximum.accumulate(np.where(alive, instants, -1), axis=0)
    return np.where(last < 0, alive.argmax(axis=0), last)


def _held(values: Shaped[np.ndarray, "T M ..."], held: Integer[np.ndarray, "T M"]) -> np.ndarray:
    index = held.reshape(held.shape + (1,) * (values.ndim - 2))
    return np.take_along_axis(values, index, axis=0)


def _differences(values: Shaped[np.ndarray, "M T"]) -> Shaped[np.ndarray, "M T"]:
    return np.diff(values, axis=1, prepend=values.dtype.type(0))


def _planes(values: UInt16[np.ndarray, "M T"]) -> bytes:
    return (values & 255).astype(np.uint8).tobytes() + (values >> 8).astype(np.uint8).tobytes()


def _bits(values: Bool[np.ndarray, "_ _"]) -> bytes:
    return np.packbits(values, axis=None, bitorder="little").tobytes()
