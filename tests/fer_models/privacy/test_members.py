"""Members, non-members and population: apart, drawn by chance, without copies."""

import numpy as np
import pytest

from fer_models.privacy import different_pictures, divide_members, draw_pool, half_of_pool


def hashes(*numbers):
    return np.array([f"{number:04d}" for number in numbers])


def test_no_picture_stands_on_two_sides():
    training = hashes(*range(50), *range(20))
    others = hashes(*range(40, 90), *range(60, 70))
    found = divide_members(training, others, members=30, non_members=20, population=10, seed=3)
    assert (found.copies_of_training, found.copies_of_others) == (10, 10)
    assert sorted(others[found.free]) == sorted({*others} - {*training})
    assert [len(part) for part in (found.members, found.non_members, found.population)] == [
        20,
        20,
        10,
    ]
    sets = [
        {*training[found.members]},
        {*others[found.non_members]},
        {*others[found.population]},
    ]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 50
    again = divide_members(training, others, members=30, non_members=20, population=10, seed=3)
    np.testing.assert_array_equal(found.members, again.members)
    other = divide_members(training, others, members=30, non_members=20, population=10, seed=4)
    assert found.members.tolist() != other.members.tolist()


def test_of_too_few_others_a_third_is_the_population():
    found = divide_members(hashes(*range(50)), hashes(*range(50, 62)))
    assert (len(found.members), len(found.non_members), len(found.population)) == (8, 8, 4)
    found = divide_members(hashes(*range(50)), hashes(*range(50, 62)), population=0)
    assert (len(found.members), len(found.non_members), len(found.population)) == (12, 12, 0)


@pytest.mark.parametrize(("non_members", "drawn"), [(20, 20), (30, 24)])
def test_no_other_is_left_unused_where_the_population_is_small(non_members, drawn):
    training, others = hashes(*range(50)), hashes(*range(50, 75))
    found = divide_members(training, others, non_members=non_members, population=1)
    assert (len(found.non_members), len(found.population)) == (drawn, 1)


def test_bad_arguments():
    with pytest.raises(ValueError, match="`training` must hold one picture or more"):
        divide_members([], hashes(1, 2))
    with pytest.raises(ValueError, match=r"Received: 3 pictures, of which 1 qualify"):
        divide_members(hashes(1, 2), hashes(1, 3, 3))
    with pytest.raises(ValueError, match="`population` must be an integer >= 0"):
        divide_members(hashes(1), hashes(2, 3), population=-1)
    with pytest.raises(ValueError, match=r"must be 110 or more, for 2 x 40 pictures"):
        draw_pool(100, members=40, population=30)


def test_halves_are_drawn_by_chance_and_the_population_is_apart():
    pool, population = draw_pool(120, members=40, population=30, seed=7)
    assert (len(pool), len(population)) == (80, 30)
    assert len({*pool, *population}) == 110
    halves = np.array([half_of_pool(40, 7, model) for model in range(1, 201)])
    assert (halves.sum(axis=1) == 40).all()
    assert len({half.tobytes() for half in halves}) == 200
    # A face is in half of them on average, and by chance.
    assert 0.4 < halves.mean(axis=0).min() < 0.5 < halves.mean(axis=0).max() < 0.6 + 0.05


def test_copies_and_mirror_images_are_used_once():
    images = np.random.default_rng(1).integers(0, 256, (6, 4, 4, 1)).astype("uint8")
    images[3] = images[1]
    images[5] = images[2][:, ::-1]
    assert different_pictures(images).tolist() == [0, 1, 2, 4]
