import pytest
import torch

from alphanet_plugin.data import LeadingImages, cached_gb, count_images, repeatable_batches


@pytest.fixture
def batches():
    return [(torch.arange(start, end).view(-1, 1, 1, 1).float(), torch.arange(start, end)) for start, end in
            ((0, 4), (4, 8), (8, 10))]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "sizes"), [(10, [4, 4, 2]), (99, [4, 4, 2]), (9, [4, 4]), (5, [4]), (4, [4]), (3, [3]), (0, [2])]
)
def test_the_first_images_in_every_pass(batches, count, sizes):
    part = LeadingImages(batches, count)
    for _ in range(2):
        labels = [labels for _, labels in part]
        assert [len(found) for found in labels] == sizes
        assert torch.cat(labels).tolist() == list(range(sum(sizes)))
        assert all((images.flatten() == labels).all() for images, labels in part)
    assert part.count == count_images(part) == sum(sizes)
    assert next(iter(part))[0].data_ptr() == batches[0][0].data_ptr(), "a view"


def test_bare_images_and_loaders(batches):
    assert [len(images) for images in LeadingImages([images for images, _ in batches], 9)] == [4, 4]

    class Images:
        def __len__(self):
            return 10

        def __getitem__(self, index):
            return torch.full((3, 2, 2), float(index)), index

    kept = repeatable_batches(Images(), batch_size=4, cache_gb=1.0)
    read = repeatable_batches(Images(), batch_size=4, cache_gb=0.0)
    assert count_images(kept) == count_images(read) == 10
    for first, second in zip(LeadingImages(kept, 8), LeadingImages(read, 8), strict=True):
        assert torch.equal(first[1], second[1])
    assert cached_gb(kept) == 10 * 3 * 4 * 4 / 1e9
    assert cached_gb(read) == 0


def test_what_cannot_be_counted():
    with pytest.raises(ValueError, match="images of a set cannot be counted"):
        count_images({1})
