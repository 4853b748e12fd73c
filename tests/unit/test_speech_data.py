"""Recordings: WAV files and archives of them, what is seen in them, and which frame is in which state of a word."""

import io
import itertools
import math
import wave
import zipfile

import numpy
import pytest
import torch

from tutelage.data import recordings as fsdd_module
from tutelage.data.filter_banks import (
    FILTERS,
    FLOOR,
    HOP,
    POINTS,
    WINDOW,
    centred,
    hertz,
    log_mel,
    mel,
    mel_filters,
    power_spectrum,
    windows,
)
from tutelage.data.left_to_right import aligned, best_path, equal_parts, fit
from tutelage.data.recordings import WORDS, checksum_of, contents_of, fsdd, parted, recordings_of
from tutelage.data.synthetic_speech import SPEAKERS, hummed
from tutelage.data.waves import RATE, read_wave

SAMPLES = [0, 1, -1, 32767, -32768, 258]


def written(samples=SAMPLES, channels=1, width=2, rate=8000):
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((channels, width, rate, 0, "NONE", ""))
        sound.writeframes(numpy.array(samples, "<i2").tobytes())
    return file.getvalue()


def changed(place, content, sound=None):
    sound = sound or written()
    return sound[:place] + content + sound[place + len(content) :]


def zipped(path, files, packing=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def sine(frequency, amplitude=0.5, samples=RATE // 2):
    return amplitude * torch.sin(2 * math.pi * frequency / RATE * torch.arange(samples, dtype=torch.float64))


class TestWaves:
    def test_it_reads_what_was_written(self):
        assert read_wave(written(), "x.wav").tolist() == SAMPLES
        assert read_wave(written(), "x.wav").dtype == torch.int16

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (written(rate=16000), "has 16000 samples a second where 8000 are read; resample it, or leave it out."),
            (written(width=1), "has 1 bytes a sample where 2 are read; convert it to 16-bit PCM, or leave it out."),
            (written(width=4, samples=SAMPLES[:4]), "has 4 bytes a sample where 2 are read"),
            (written(channels=2), "has 2 channels where 1 is read; mix them into one, or leave it out."),
            (written(samples=[]), "holds no samples; record it again, or leave it out."),
            (written(samples=[0] * 480_001), "has 480001 samples, and at most 480000 are read; cut it"),
            (b"", "is not a sound WAV file of PCM (its header is cut short). Delete it"),
            (b"<html>not found</html>", "is not a sound WAV file of PCM (file does not start with RIFF id)"),
            (written()[:30], "is not a sound WAV file of PCM"),
            (written()[:-2], "has a header that lies: it promises 6 samples in a file of 56 bytes, and there are 5"),
            (written() + b"more", "it promises 6 samples in a file of 56 bytes, and there are 6 in 60."),
            (changed(40, b"\xff\xff\xff\x7f"), "it promises 1073741823 samples in a file of 56 bytes, and"),
            (changed(4, b"\0\0\0\0"), "is not a sound WAV file of PCM"),
            (changed(20, b"\3\0"), "in another form than plain PCM (unknown format: 3); convert it to 16-bit PCM"),
        ],
    )  # fmt: skip
    def test_anything_else_gets_one_sentence_with_its_name(self, content, sentence):
        with pytest.raises(ValueError, match=r"^some/x\.wav ") as refusal:
            read_wave(content, "some/x.wav")
        said = str(refusal.value)
        assert sentence in said and "\n" not in said and said.endswith(".")


class TestRecordings:
    @pytest.fixture
    def archive(self, tmp_path):
        files = [("7_ann_12.wav", written()), ("a/b/0_bob_3.wav", written(SAMPLES[::-1])), ("7_ann_2.wav", written()),
                 ("README.md", b"?"), ("__MACOSX/._7_ann_2.wav", b"junk")]  # fmt: skip
        return zipped(tmp_path / "recordings.zip", files)

    def test_they_come_by_word_speaker_and_number_and_other_files_are_passed_over(self, archive):
        read = recordings_of(contents_of(archive), archive)
        assert [x[:3] for x in read] == [(0, "bob", 3), (7, "ann", 2), (7, "ann", 12)]
        assert read[0].samples.tolist() == SAMPLES[::-1]

    def test_the_same_recordings_have_one_checksum_however_they_are_packed(self, archive, tmp_path):
        contents = contents_of(archive)
        flat = zipped(tmp_path / "flat.zip", reversed(list(contents.items())), zipfile.ZIP_STORED)
        assert checksum_of(contents_of(flat)) == checksum_of(contents)
        assert checksum_of({**contents, "7_ann_2.wav": written(SAMPLES[1:])}) != checksum_of(contents)

    def test_what_is_not_as_it_was_published_is_refused(self, archive, monkeypatch):
        with pytest.raises(
            ValueError, match="does not hold the recordings as they were published at the commit 26eb9a"
        ):
            fsdd(archive.parent)
        monkeypatch.setattr(fsdd_module, "CHECKSUM", checksum_of(contents_of(archive)))
        assert [x.word for x in fsdd(archive.parent)] == [0, 7, 7]

    def test_that_are_nowhere_it_says_where_it_looked(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"needs recordings\.zip in one folder, .*--data or TUTELAGE_DATA"):
            fsdd(tmp_path, download=False)

    @pytest.mark.parametrize(
        ("files", "sentence"),
        [
            ([("README.md", b"?")], "holds no WAV file. Is it another file under this name?"),
            ([("seven.wav", written())], "holds a file that cannot be told: 'seven.wav' is not called as recordings"),
            ([("a/7_ann_1.wav", written()), ("b/7_ann_1.wav", written())], "holds 7_ann_1.wav more than once; leave"),
            (
                [("0_ann_0.wav", written()), ("0_ann_00.wav", written())],
                "holds 0_ann_00.wav more than once, also as 0_ann_0.wav; leave one of them out.",
            ),
            ([("7_ann_1.wav", written()), ("7_ann_2.WAV", written())], "'7_ann_2.WAV' is not called as recordings are"),
            ([("7_ann_1.wav", bytes(2**20 + 1))], "holds 7_ann_1.wav of 1048577 bytes, and at most 1048576 are read"),
            ([("7_ann_1.wav", b"RIFF")], "recordings.zip/7_ann_1.wav is not a sound WAV file"),
            ([(f"7_ann_{n}.wav", bytes(2**20)) for n in range(3)], "unpacks to 3145728 bytes, and at most 3000000 are"),
            ([(f"{n}", b"") for n in range(11)], "holds 11 files, and at most 10 are looked at"),
        ],
        ids=range(9),
    )
    def test_a_strange_archive_gets_one_sentence_with_its_path(self, files, sentence, tmp_path, monkeypatch):
        monkeypatch.setattr(fsdd_module, "LARGEST", 3_000_000)
        monkeypatch.setattr(fsdd_module, "MEMBERS", 10)
        path = zipped(tmp_path / "recordings.zip", files)
        with pytest.raises(ValueError, match=r"recordings\.zip") as refusal:
            recordings_of(contents_of(path), path)
        assert sentence in str(refusal.value) and "\n" not in str(refusal.value)

    def test_names_are_looked_at_once_each(self, tmp_path, monkeypatch):
        looked = []
        monkeypatch.setattr(fsdd_module, "parted", lambda name: looked.append(name) or parted(name))
        path = zipped(tmp_path / "recordings.zip", [(f"7_ann_{n}.wav", written()) for n in (*range(200), "01")])
        with pytest.raises(ValueError, match=r"7_ann_01\.wav more than once, also as 7_ann_1\.wav"):
            contents_of(path)
        assert len(looked) == 201

    @pytest.mark.parametrize("damage", ["cut", "flipped", "renamed", "encrypted"])
    def test_damage_gets_one_sentence_with_its_path(self, archive, damage):
        content = bytearray(archive.read_bytes())
        central = content.rindex(b"PK\1\2")
        if damage == "cut":
            del content[-30:]
        elif damage == "flipped":
            content[60] ^= 1
        elif damage == "renamed":  # in one of the two places where the name stands
            content[content.rindex(b"7_ann_2.wav")] ^= 1
        else:
            content[central + 8] |= 1
        archive.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"recordings\.zip is not a sound zip archive \(.*\)\. Delete it and start"
        ):
            contents_of(archive)

    def test_a_name_says_word_speaker_and_number(self):
        assert parted("7_jackson_32.wav") == (7, "jackson", 32)
        for wrong in (
            "7_jackson_32.mp3",
            "77_jackson_3.wav",
            "7_Jackson_3.wav",
            "7__3.wav",
            "7_jackson_.wav",
            "٧_a_1.wav",
        ):
            with pytest.raises(ValueError, match="is not called as recordings are"):
                parted(wrong)


class TestFilterBanks:
    def test_mel_is_as_published(self):
        """O'Shaughnessy 1987, by hand; and the natural logarithm of the HTK Book, 1127 · ln(1 + f / 700)."""
        found = mel(torch.tensor([0.0, 700.0, 1000.0, 4000.0, 8000.0], dtype=torch.float64))
        assert found.tolist() == pytest.approx([0, 781.17, 999.99, 2146.06, 2840.02], abs=0.01)
        frequencies = torch.linspace(0, 4000, 50, dtype=torch.float64)
        assert torch.allclose(mel(frequencies), 1127 * torch.log(1 + frequencies / 700), rtol=1e-4)
        assert torch.allclose(hertz(mel(frequencies)), frequencies, atol=1e-9)

    def test_filters_are_triangles_that_share_each_frequency_between_two(self):
        filters = mel_filters()
        assert filters.shape == (40, 257) and (filters >= 0).all() and (filters <= 1).all()
        assert ((filters > 0).sum(0) <= 2).all() and (filters.sum(1) > 0).all()
        frequencies = mel(torch.arange(257, dtype=torch.float64) * RATE / POINTS)
        step = mel(torch.tensor(4000.0, dtype=torch.float64)) / 41
        between = (frequencies >= step) & (frequencies <= 40 * step)
        assert torch.allclose(filters.sum(0)[between], torch.ones(int(between.sum()), dtype=torch.float64))

    def test_filters_too_narrow_for_a_transform_are_refused(self):
        with pytest.raises(ValueError, match="of 80 filters see none of 65 frequencies; take fewer filters"):
            mel_filters(80, points=128)

    @pytest.mark.parametrize("number", [0, 3, 10, 25, 39])
    def test_a_sine_lands_in_the_filter_of_its_frequency(self, number):
        centre = hertz((number + 1) * mel(torch.tensor(4000.0, dtype=torch.float64)) / 41).item()
        assert (log_mel(sine(centre)).argmax(1) == number).all()

    def test_a_sine_has_the_power_of_its_amplitude_at_its_frequency(self):
        """``(A/2 · Σ w)²`` at the 64th of 512 points, which is 1,000 Hz."""
        window = torch.hamming_window(WINDOW, periodic=False, dtype=torch.float64)
        power = power_spectrum(sine(1000, amplitude=0.5))
        assert (power.argmax(1) == 64).all()
        assert torch.allclose(power[:, 64], (0.25 * window.sum()).square().expand(len(power)), rtol=1e-3)

    def test_no_energy_is_lost_or_made(self):
        """Parseval: the mean of the whole spectrum, of which half is given, is the sum of squares under the window."""
        samples = torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        window = torch.hamming_window(WINDOW, periodic=False, dtype=torch.float64)
        power = power_spectrum(samples)
        both = torch.full((257,), 2.0, dtype=torch.float64)
        both[0] = both[-1] = 1.0
        for t, spectrum in enumerate(power):
            energy = (samples[HOP * t : HOP * t + WINDOW] * window).square().sum()
            assert (spectrum * both).sum() / POINTS == pytest.approx(energy.item(), rel=1e-9)

    def test_it_is_the_transform_of_each_frame(self):
        samples = numpy.random.default_rng(0).standard_normal(500)
        frames = [samples[t : t + WINDOW] * numpy.hamming(WINDOW) for t in range(0, 500 - WINDOW + 1, HOP)]
        expected = numpy.abs(numpy.fft.rfft(numpy.stack(frames), POINTS)) ** 2
        assert numpy.allclose(power_spectrum(torch.from_numpy(samples)), expected, rtol=1e-8, atol=1e-10)

    def test_silence_is_the_floor_and_never_minus_infinity(self):
        quiet = log_mel(torch.zeros(1000, dtype=torch.int16))
        assert torch.allclose(quiet, torch.full((11, FILTERS), math.log(FLOOR), dtype=torch.float64))

    @pytest.mark.parametrize(("samples", "frames"), [(1, 1), (199, 1), (200, 1), (279, 1), (280, 2), (8000, 98)])
    def test_a_frame_begins_every_ten_milliseconds(self, samples, frames):
        assert len(log_mel(torch.ones(samples))) == frames

    def test_16_bits_are_from_minus_one_to_one(self):
        samples = torch.tensor([16384, -32768, 123] * 100, dtype=torch.int16)
        assert torch.allclose(log_mel(samples), log_mel(samples.double() / 32768))

    def test_louder_recordings_look_the_same_once_centred(self):
        x = sine(700) + sine(1900) * torch.linspace(0, 1, 4000, dtype=torch.float64)
        assert torch.allclose(centred(log_mel(x)), centred(log_mel(0.3 * x)), atol=1e-3)

    def test_the_21st_of_26_frames_is_the_one_that_is_named(self):
        features = torch.arange(60.0)[:, None].expand(-1, 3)
        seen = windows(features)
        assert seen.shape == (60, 26, 3) and torch.equal(seen[:, 20], features)
        assert seen[30, :, 0].tolist() == list(range(10, 36))
        assert seen[0, :, 0].tolist() == [0] * 21 + [1, 2, 3, 4, 5] and seen[59, 20:, 0].tolist() == [59] * 6


class TestLeftToRight:
    def every_path(self, frames, states):
        for steps in itertools.combinations(range(1, frames), states - 1):
            yield [sum(t >= step for step in steps) for t in range(frames)]

    def test_the_best_path_is_the_best_of_all(self):
        scores = torch.randn(20, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        lengths = torch.tensor([3, 4, 5, 6, 7] * 4)
        paths, sums = best_path(scores, lengths), fit(scores, lengths)
        for r, frames in enumerate(lengths.tolist()):
            value = {tuple(p): sum(scores[r, t, s].item() for t, s in enumerate(p)) for p in self.every_path(frames, 3)}
            assert tuple(paths[r, :frames].tolist()) == max(value, key=value.get)
            assert sums[r].item() == pytest.approx(max(value.values()))

    def test_words_are_fitted_side_by_side(self):
        scores = torch.randn(4, 6, 5, 3, generator=torch.Generator().manual_seed(1))
        lengths = torch.tensor([6, 5, 4, 3])
        apart = torch.stack([fit(scores[:, :, word], lengths) for word in range(5)], 1)
        assert torch.equal(fit(scores, lengths), apart)

    def test_what_is_too_short_fits_nothing_and_has_no_path(self):
        scores, lengths = torch.zeros(1, 4, 3), torch.tensor([2])
        assert fit(scores, lengths).item() == -math.inf
        with pytest.raises(ValueError, match="through 3 states takes as many frames or more; got 2"):
            best_path(scores, lengths)

    def test_equal_parts_are_equal(self):
        assert equal_parts(9, 3).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert equal_parts(12, 12).tolist() == list(range(12))

    def drawn(self, count=40):
        """Two words of three states each, whose frames are near a corner of a cube of their own."""
        g = torch.Generator().manual_seed(3)
        corners = 3 * torch.randn(6, 4, generator=g, dtype=torch.float64)
        words = torch.arange(count) % 2
        truth = []
        for word in words.tolist():
            lengths = torch.randint(2, 9, (3,), generator=g)
            truth.append(3 * word + torch.arange(3).repeat_interleave(lengths))
        features = [corners[x] + 0.3 * torch.randn(len(x), 4, generator=g, dtype=torch.float64) for x in truth]
        return features, words, truth

    def test_alignment_finds_where_states_begin(self):
        features, words, truth = self.drawn()
        mine = torch.arange(40) < 30
        flat, found = (aligned(features, words, 2, 3, mine, rounds) for rounds in (0, 8))
        right = [torch.cat(x).eq(torch.cat(truth)).double().mean().item() for x in (flat, found)]
        assert right[0] < 0.9 and right[1] > 0.97
        assert all(torch.equal(x, y) for x, y in zip(found, aligned(features, words, 2, 3, mine, 8), strict=True))

    def test_nothing_is_learnt_from_the_others(self):
        features, words, _ = self.drawn()
        mine = torch.arange(40) < 30
        found = aligned(features, words, 2, 3, mine, 4)
        other = aligned([*features[:30], *(-5 * x for x in features[30:])], words, 2, 3, mine, 4)
        assert all(torch.equal(x, y) for x, y in zip(found[:30], other[:30], strict=True))

    def test_every_frame_of_one_filter_alone_can_be_aligned(self):
        features, words = [torch.zeros(5, 4, dtype=torch.float64)] * 2, torch.tensor([0, 1])
        found = aligned(features, words, 2, 3, torch.tensor([True, True]), 3)
        assert [len(x) for x in found] == [5, 5] and found[1].min() == 3 and found[1].max() == 5

    def test_what_cannot_be_aligned_is_refused(self):
        features, words, _ = self.drawn()
        with pytest.raises(ValueError, match=r"has \d+ frames, too few for 30 states a word; take fewer states"):
            aligned(features, words, 2, 30, torch.ones(40, dtype=torch.bool), 1)
        with pytest.raises(ValueError, match="No recording to learn from says word 1; learn from more"):
            aligned(features, words, 2, 3, words == 0, 1)


class TestHummed:
    def test_a_recording_depends_on_seed_word_speaker_and_take_alone(self):
        few, more = ({x[:3]: x.samples for x in hummed(takes)} for takes in (1, 2))
        assert len(few) == 40 and len(more) == 80
        assert all(torch.equal(samples, more[key]) for key, samples in few.items())
        assert not any(torch.equal(x.samples, few[x[:3]]) for x in hummed(1, seed=1))

    def test_speakers_and_words_differ(self):
        heard = {x[:2]: log_mel(x.samples).mean(0) for x in hummed(1)}
        pairs = itertools.combinations(heard.values(), 2)
        assert min((x - y).abs().max().item() for x, y in pairs) > 0.1
        assert {x.speaker for x in hummed(1)} == set(SPEAKERS) and len(WORDS) == 10

    def test_nobody_hums_nothing(self):
        with pytest.raises(ValueError, match="at least once; got 0 takes"):
            hummed(0)
