"""As much of Lightning and of transformers as the pages use, with their signatures: neither is installed here."""
# ruff: noqa: ARG002 - the signatures are the libraries', used or not

from types import ModuleType, SimpleNamespace

import torch
from torch import nn


def lightning():
    """``lightning``, of which the page uses a module's ``log_dict`` and a trainer's ``fit``."""
    module = ModuleType("lightning")
    module.LightningModule, module.Trainer = LightningModule, LightningTrainer
    return module


def transformers():
    """``transformers``, of which the page uses ``compute_loss`` as ``train`` and ``evaluate`` call it."""
    module = ModuleType("transformers")
    module.Trainer, module.TrainingArguments = Trainer, TrainingArguments
    module.AutoModelForSequenceClassification = AutoModelForSequenceClassification
    module.AutoModelForCausalLM = AutoModelForCausalLM
    return module


class LightningModule(nn.Module):
    def log_dict(self, dictionary, prog_bar=False, logger=None, on_step=None, on_epoch=None):
        for name, value in dictionary.items():
            assert isinstance(name, str) and torch.as_tensor(value).numel() == 1


class LightningTrainer:
    def __init__(self, *, max_epochs=None, logger=None, enable_checkpointing=None, enable_progress_bar=None):
        self.max_epochs = max_epochs

    def fit(self, model, train_dataloaders=None, val_dataloaders=None, datamodule=None, ckpt_path=None):
        optimizer = model.configure_optimizers()
        model.train()  # what older versions do, to the teacher as well
        before = {name: p.clone() for name, p in model.named_parameters()}
        for _ in range(self.max_epochs):
            for batch_idx, batch in enumerate(train_dataloaders):
                loss = model.training_step(batch, batch_idx)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        moved = {name.partition(".")[0] for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        assert moved == {"student"}


class TrainingArguments:
    def __init__(
        self, output_dir=None, *, per_device_train_batch_size=8, num_train_epochs=3.0, report_to="none",
        gradient_accumulation_steps=1, learning_rate=5e-5,
    ):  # fmt: skip
        self.per_device_train_batch_size, self.num_train_epochs = per_device_train_batch_size, num_train_epochs
        self.gradient_accumulation_steps, self.learning_rate = gradient_accumulation_steps, learning_rate

    @property
    def device(self):
        return torch.device("cpu")


class Trainer:
    def __init__(self, model=None, args=None, data_collator=None, train_dataset=None, eval_dataset=None):
        self.model, self.args, self.train_dataset = model, args, train_dataset
        self.model_accepts_loss_kwargs = True  # as found from the signature of many models

    def train(self):
        self.model.train()
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.args.learning_rate)
        before = {name: p.clone() for name, p in self.model.named_parameters()}
        size, pieces = self.args.per_device_train_batch_size, self.args.gradient_accumulation_steps
        for start in range(0, len(self.train_dataset), size):
            inputs = collated(self.train_dataset[start : start + size])
            count = inputs["labels"].numel()
            loss = self.compute_loss(self.model, inputs, num_items_in_batch=count)
            if self.model_accepts_loss_kwargs:  # which is divided by the labels of all pieces already
                half = self.compute_loss(self.model, inputs, num_items_in_batch=2 * count)
                torch.testing.assert_close(half, loss / 2)
            (loss if self.model_accepts_loss_kwargs else loss / pieces).backward()
            optimizer.step()
            optimizer.zero_grad()
        assert any(not torch.equal(p, before[name]) for name, p in self.model.named_parameters())
        with torch.no_grad():  # as in evaluation
            loss, outputs = self.compute_loss(self.model, inputs, return_outputs=True)
        assert loss.ndim == 0 and all(len(x) == len(inputs["labels"]) for x in vars(outputs).values() if x.ndim)


def collated(examples):
    return {name: torch.tensor([example[name] for example in examples]) for name in examples[0]}


class AutoModelForCausalLM(nn.Module):
    """Whose loss shifts its labels for itself, as the library's does."""

    def __init__(self):
        super().__init__()
        self.base_model, self.lm_head = Words(), nn.Linear(4, 30, bias=False)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path):
        assert isinstance(pretrained_model_name_or_path, str)
        return cls()

    def get_output_embeddings(self):
        return self.lm_head

    def forward(self, input_ids=None, attention_mask=None, labels=None):
        logits = self.lm_head(self.base_model(input_ids, attention_mask).last_hidden_state)
        if labels is None:
            return SimpleNamespace(logits=logits)
        loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return SimpleNamespace(logits=logits, loss=loss)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(30, 4)

    def forward(self, input_ids=None, attention_mask=None):
        return SimpleNamespace(last_hidden_state=self.embed(input_ids))


class AutoModelForSequenceClassification(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(10_000, 4), nn.Linear(4, 2)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path):
        assert isinstance(pretrained_model_name_or_path, str)
        return cls()

    def forward(self, input_ids=None, attention_mask=None, labels=None):
        logits = self.head(self.words(input_ids).mean(1))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SimpleNamespace(logits=logits, loss=loss)
