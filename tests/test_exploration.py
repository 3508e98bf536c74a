"The exported exploration and inference modules on a survey of their own, with and without dates."
import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def df(survey):
    from whaledo.whale.data.survey import load_survey
    return load_survey(survey)


def test_tables_count_what_is_there(df):
    from whaledo.whale.data import explore
    assert len(explore.encounters(df)) == df.encounter_id.nunique()
    found = explore.discovery(df)
    assert found.iloc[-1].max() >= df.whale_id.nunique() and len(found) == df.date.nunique()
    assert str(len(df)) in explore.summary(df).to_string().replace(",", "")


def bar_heights(figure):
    return sum(bar.get_height() for ax in figure.axes for bar in ax.patches)


def images(figure):
    return sum(len(ax.images) for part in figure.subfigs or [figure] for ax in part.axes)


def first_line(figure):
    return figure.axes[0].lines[0].get_ydata()


TIMED = {  # plot: what its figure shows, and the same from the table
    "plot_calendar": (bar_heights, len),
    "plot_durations": (bar_heights, lambda df: (df.encounter_id.value_counts() > 1).sum()),
    "plot_resightings": (bar_heights, lambda df: df.encounter_id.nunique() - df.whale_id.nunique()),
    "plot_discovery": (lambda figure: first_line(figure)[-1], lambda df: df.whale_id.nunique()),
}
ANY = {
    "plot_tails": (lambda figure: first_line(figure)[0], lambda df: pytest.approx(100)),
    "plot_sizes": (lambda figure: len(figure.axes[0].collections[0].get_offsets()), len),
}


def draw(name, df):
    import matplotlib.pyplot as plt
    from whaledo.whale.data import explore
    plt.close("all")
    getattr(explore, name)(df)
    return plt.gcf()


def undated(df):
    return df.assign(date=pd.NaT, timestamp=pd.NaT)


@pytest.mark.parametrize("name", [*TIMED, *ANY])
def test_a_plot_shows_what_the_table_holds(name, df):
    shown, held = (TIMED | ANY)[name]
    assert shown(draw(name, df)) == held(df)


@pytest.mark.parametrize("name", TIMED)
def test_a_survey_without_dates_gets_a_note_in_place_of_a_plot_over_time(name, df):
    assert "no dates" in draw(name, undated(df)).axes[0].texts[0].get_text()


@pytest.mark.parametrize("name", ANY)
def test_other_plots_need_no_dates(name, df):
    shown, held = ANY[name]
    assert shown(draw(name, undated(df))) == held(df)


@pytest.mark.parametrize("dates", [True, False])
def test_links_and_sheets_show_every_whale_and_viewpoint(dates, df):
    survey = df if dates else undated(df)
    links = bar_heights(draw("plot_links", survey))
    assert 0 < links <= df.whale_id.nunique()  # the most frequent combinations
    assert images(draw("plot_view_sheet", survey)) >= 3 * df.viewpoint.nunique()
    most = df.groupby("whale_id").encounter_id.nunique().nlargest(5)
    assert images(draw("plot_whale_sheet", survey)) == most.clip(upper=8).sum()


def test_an_untrained_network_is_nearly_worthless_and_a_broken_photo_comes_last(df, tmp_path):
    from whaledo.metrics import mean_average_precision
    from whaledo.whale.model.inference import build_model, predict, save_model
    from whaledo.whale.data.scenarios import labels, standard_scenarios, write_scenarios
    from whaledo.whale.train.training import recipes
    scenarios = standard_scenarios(df)
    data = write_scenarios(df, scenarios, tmp_path/"data")
    save_model(build_model(recipes["demo"]), recipes["demo"], tmp_path/"model")
    found = predict(data, tmp_path/"model")
    assert mean_average_precision(found, labels(df, scenarios)) < .3
    assert found.groupby("query_id").size().max() <= 20 and found.score.between(0, 1).all()
    broken = found.database_image_id.iloc[0]
    (data/"images"/f"{broken}.jpg").unlink()  # a hard link to the survey's photo, which must stay whole
    (data/"images"/f"{broken}.jpg").write_bytes(b"no photo")
    again = predict(data, tmp_path/"model")
    assert np.all(again.score[again.database_image_id == broken] == 0)
    assert set(again.query_id) == set(found.query_id)
