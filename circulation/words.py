"""The catalogue of words in Chinese and English: what a value of the contract is called where people read it.

Each group names the values of one member of the contract. The Chinese summaries of rules take their words from here;
pages and commands do not yet. The Chinese terms are those of the laws in `packs/law.yaml`.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Word(NamedTuple):
    """One term in both languages."""

    en: str
    zh: str


def _group(**words: tuple[str, str]) -> Mapping[str, Word]:
    return MappingProxyType({name: Word(*pair) for name, pair in words.items()})


SEVERITY: Final = _group(
    blue=("blue", "蓝色"), yellow=("yellow", "黄色"), orange=("orange", "橙色"), red=("red", "红色")
)
MODE: Final = _group(off=("off", "关闭"), shadow=("shadow", "静默"), warn=("warn", "提示"), enforce=("enforce", "执行"))
ABOUT: Final = _group(
    party=("party", "主体"),
    asset=("asset", "数据资产"),
    contract=("contract", "合同"),
    market=("market", "市场"),
    source=("source", "报送方"),
)
LEVEL: Final = _group(
    general=("general", "一般"), important=("important", "重要"), core=("core", "核心"), ungraded=("ungraded", "未分级")
)
PERSONAL: Final = _group(
    none=("no personal data", "非个人信息"),
    personal=("personal", "个人信息"),
    sensitive=("sensitive", "敏感个人信息"),
    minor=("of minors", "未成年人个人信息"),
)
GRANT: Final = _group(
    holding_right=("right to hold", "数据资源持有权"),
    processing_right=("right to process", "数据加工使用权"),
    operating_right=("right to operate", "数据产品经营权"),
    public_operation=("authorisation of public data", "公共数据授权运营"),
    consent=("consent", "个人同意"),
    guardian_consent=("consent of a guardian", "监护人同意"),
    security_assessment=("security assessment", "数据出境安全评估"),
    standard_contract=("standard contract", "个人信息出境标准合同"),
    certification=("certification", "个人信息保护认证"),
    risk_assessment=("risk assessment", "数据安全风险评估"),
    impact_assessment=("impact assessment", "个人信息保护影响评估"),
    algorithm_review=("review of the algorithm", "算法安全评估"),
    sandbox=("sandbox", "监管沙盒"),
)
EXEMPTION: Final = _group(
    contract=("contract", "订立或履行合同"),
    hr=("human resources", "人力资源管理"),
    emergency=("emergency", "紧急情况"),
    foreign_origin=("foreign origin", "境外数据加工"),
    no_personal=("no personal data", "不含个人信息"),
    ftz=("free-trade zone", "自由贸易试验区"),
)
DELIVERY: Final = _group(
    file=("file", "文件"),
    api=("API", "接口"),
    model=("model", "模型"),
    report=("report", "报告"),
    verification=("verification", "核验"),
    sandbox=("sandbox", "沙箱"),
    private_computing=("private computing", "隐私计算"),
    encrypted=("encrypted", "加密传输"),
)
# Terms of a contract that a use or a delivery may break, and the limits that they add up to.
TERM: Final = _group(
    time=("time", "时间"),
    country=("country", "国家或地区"),
    region=("region", "行政区划"),
    recipient=("recipient", "接收方"),
    mode=("mode", "交付方式"),
    environment=("environment", "使用环境"),
)
LIMIT: Final = _group(
    uses=("uses", "使用次数"),
    bytes=("bytes", "字节数"),
    rows=("rows", "行数"),
    persons=("persons", "人数"),
    sensitive_persons=("persons with sensitive data", "敏感个人信息人数"),
    window=("uses in a window", "时间窗内使用次数"),
    amount=("amount", "金额"),
    end=("end", "期限"),
)
REPORTER: Final = _group(
    exchange=("exchange", "交易所"), provider=("provider", "提供方"), consumer=("consumer", "使用方")
)
ROLE: Final = _group(seller=("seller", "卖方"), buyer=("buyer", "买方"), owner=("owner", "所有方"))
# Acts under a contract.
ACT: Final = _group(
    use=("use", "使用"), delivery=("delivery", "交付"), settlement=("settlement", "结算"), export=("export", "出境")
)
# Actions of an entry of the negative list.
ACTION: Final = _group(
    list=("listed", "挂牌"), trade=("traded", "交易"), deliver=("delivered", "交付"), export=("exported", "出境")
)
# The members that an entry of the negative list asks for.
FACT: Final = _group(
    registration=("registration", "登记"),
    category=("category", "类别"),
    industry=("industry", "行业"),
    level=("level", "级别"),
    personal=("personal", "个人信息类别"),
    fields=("fields", "字段"),
    tags=("tags", "标签"),
    public=("public", "公共数据属性"),
    persons=("persons", "人数"),
    owner=("owner", "所有方"),
    rights=("rights", "权利"),
)
ASSESSMENT: Final = _group(
    compliance=("compliance", "合规"),
    quality=("quality", "质量"),
    value=("value", "价值"),
    security=("security", "安全"),
)
OPERATOR: Final = _group(
    ciio=("operator of critical infrastructure", "关键信息基础设施运营者"),
    state=("state body", "国家机关"),
    other=("other", "其他运营者"),
)
TIER: Final = _group(minor=("minor", "轻微"), general=("general", "一般"), serious=("serious", "严重"))
STATEMENT: Final = _group(objection=("objection", "异议"), repair=("repair", "信用修复"))
STATUS: Final = _group(
    withdrawn=("withdrawn", "已撤销"),
    repaired=("repaired", "已修复"),
    objected=("objected", "异议中"),
    expired=("expired", "已到期"),
    published=("published", "公示中"),
)
OUTCOME: Final = _group(
    confirmed=("confirmed", "属实"),
    rectified=("rectified", "已整改"),
    false_positive=("false positive", "误报"),
    referred=("referred", "移送"),
)
CLEARED: Final = _group(
    refuted=("refuted", "事实已澄清"),
    objection_upheld=("objection upheld", "异议成立"),
    retracted=("retracted", "已撤回"),
)
REASON: Final = _group(
    too_large=("too large", "记录过大"),
    too_deep=("nested too deep", "嵌套过深"),
    not_json=("no JSON", "不是 JSON"),
    not_cloudevent=("no CloudEvent", "不是 CloudEvents 事件"),
    unknown_type=("unknown type", "未知类型"),
    bad_identifier=("bad identifier", "标识不合规"),
    key_mismatch=("key mismatch", "键不一致"),
    not_authorised=("not authorised", "未获授权"),
    from_the_future=("from the future", "时间在未来"),
    invalid_data=("invalid data", "数据不合规"),
    sequence_reused=("sequence reused", "序号重复使用"),
)
# How a run of OpenLineage ended that told nothing, before an instant in English and after it in Chinese.
RUN: Final = _group(
    failed=("failed at", "失败"), aborted=("was aborted at", "中止"), silent=("was not heard of after", "后再无消息")
)
QUALITY: Final = _group(
    on_time=("on time", "及时"),
    admitted=("admitted", "合格"),
    linked=("linked", "关联"),
    complete=("complete", "完整"),
    agreeing=("agreeing", "一致"),
)


def zh(group: Mapping[str, Word], value: str | None) -> str:
    """The Chinese term of a value; a value that is not in the catalogue, as one of a pack's own, is its own name."""
    word = group.get((value or "").replace("-", "_"))
    return (value or "未说明") if word is None else word.zh


def many(count: int, thing: str, things: str | None = None) -> str:
    """A number of things in English: `1 entry`, `2,000 entries`; what they do may be part of them (`1 entry ends`).

    `things` is what more than one of them are, where that is not the word with an s.
    """
    return f"{count:,} {thing if count == 1 else things or f'{thing}s'}"


def listed_zh(items: Iterable[str], none: str = "无") -> str:
    """Items as a Chinese sentence lists them."""
    return "、".join(items) or none
